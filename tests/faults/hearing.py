"""Did a subscriber hear what it selected? What it wrote down (`tests.faults.subscribing`) against the stream.

after a begin or a death, delivery goes on right behind some acknowledgement that was sent
otherwise each change is followed by the next one that is selected; delivery may go back, but never ahead
what was acknowledged for sure does not come again, unless the broker's disk was robbed since
every body is that of the stream, and the last one that was selected has come
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from broker.selection import Selection
from tests.faults.changes import Change
from tests.faults.subscribing import Acknowledged, Begun, Delivered, Lost, Subscribing, Told

KILLED_SECONDS = 1.0
"""nats-server writes cursors to disk some moments after it confirmed them."""


@dataclass(frozen=True, slots=True)
class Robbery:
    """The broker forgot, at a moment, what it had confirmed in the seconds before. By default everything."""

    at: float
    seconds: float = math.inf

    def took(self, moment: float) -> bool:
        return self.at - self.seconds <= moment <= self.at


def heard(changes: Sequence[Change], subscribing: Subscribing, *, robbed: Sequence[Robbery] = ()) -> Iterator[str]:
    """All of it at once."""
    hearing = Hearing(subscribing.name, subscribing.selection, after=subscribing.after)
    hearing.learn(changes)
    return hearing.check(subscribing.told, robbed=robbed)


class Hearing:
    """One subscriber, part by part: `learn` what came into the stream, then `check` what was told of it."""

    def __init__(self, name: str, selection: Selection, *, after: int) -> None:
        self._name = name
        self._filters = [one.split(".") for one in selection.filters()]
        self._numbers: list[int] = []
        self._bodies: dict[int, int] = {}
        self._after = after
        self._sent = self._highest = after
        self._sure: list[Acknowledged] = []
        self._last: int | None = None

    def selects(self, subject: str) -> bool:
        tokens = subject.split(".")
        return any(_matches(one, tokens) for one in self._filters)

    def learn(self, changes: Sequence[Change]) -> None:
        """In the order of their numbers, each once."""
        for change in changes:
            if change.number > self._after and self.selects(change.subject):
                self._numbers.append(change.number)
                self._bodies[change.number] = hash(change.body)

    @property
    def due(self) -> int:
        """The last that must have been heard once all that was learned is in the stream."""
        return self._numbers[-1] if self._numbers else self._after

    def part(self, told: Sequence[Told], *, up_to: int) -> Sequence[Told]:
        """What was told before the first change behind `up_to` came: that one is not learned yet."""
        later = (at for at, one in enumerate(told) if isinstance(one, Delivered) and one.rv > up_to)
        return told[: next(later, len(told))]

    def check(self, told: Sequence[Told], *, robbed: Sequence[Robbery] = ()) -> Iterator[str]:
        for one in told:
            match one:
                case Delivered():
                    yield from self._hears(one, robbed)
                case Acknowledged(rv, surely):
                    self._sent = max(self._sent, rv)
                    if surely:
                        self._sure.append(one)
                case Begun():
                    self._last = None
                case Lost(cursor):
                    yield f"{self._name} was told that changes behind {cursor} are gone"
        if self._numbers and self._highest < self._numbers[-1]:
            yield f"{self._name} heard nothing behind {self._highest}, and {self._numbers[-1]} was selected"

    def _hears(self, one: Delivered, robbed: Sequence[Robbery]) -> Iterator[str]:
        if one.rv not in self._bodies:
            yield f"{self._name} heard {one.rv}, which it did not select, or which nobody wrote"
            return
        if self._bodies[one.rv] != hash(one.body):
            yield f"{self._name} heard {one.rv} in other bytes than the stream's"
        if self._last is None or one.rv != self._behind(self._last):
            done, most = self._done(one.at, robbed), self._behind(self._sent)
            if one.rv > most:
                came = "at its begin" if self._last is None else f"after {self._last}"
                yield f"{self._name} heard {one.rv} {came}, where at most {most} belongs"
            elif one.rv <= done:
                yield f"{self._name} heard {one.rv} again after {done} was acknowledged for sure"
        self._last = one.rv
        self._highest = max(self._highest, one.rv)

    def _behind(self, rv: int) -> int:
        """The next that is selected; 0 where there is none."""
        at = bisect_right(self._numbers, rv)
        return self._numbers[at] if at < len(self._numbers) else 0

    def _done(self, moment: float, robbed: Sequence[Robbery]) -> int:
        """The highest that was acknowledged for sure and that the broker cannot have forgotten."""
        past = [robbery for robbery in robbed if robbery.at <= moment]
        return max((one.rv for one in self._sure if not any(robbery.took(one.at) for robbery in past)), default=0)


def _matches(pattern: Sequence[str], subject: Sequence[str]) -> bool:
    """As NATS matches."""
    if pattern and pattern[-1] == ">":
        return len(subject) >= len(pattern) and _matches(pattern[:-1], subject[: len(pattern) - 1])
    return len(pattern) == len(subject) and all(p in ("*", s) for p, s in zip(pattern, subject, strict=True))
