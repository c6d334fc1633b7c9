"""Which changes wait for which keys, and up to where all of them are done.

A change makes keys dirty; it is done when each of them was settled after it arrived. `floor` is the highest sequence
below which, itself included, every change is done: only that may be acknowledged. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from agents.client.cause import Cause
from broker.watermark import Watermark

K = TypeVar("K", bound=Hashable)


class Ticket:
    """One change that waits for `left` keys. It belongs to the ledger that gave it out, also when that was replaced."""

    __slots__ = ("_ledger", "_left", "_sequence", "cause")

    def __init__(self, ledger: Ledger[Any], sequence: int, left: int, cause: Cause | None) -> None:
        self.cause = cause
        self._ledger = ledger
        self._sequence = sequence
        self._left = left

    def settle(self) -> None:
        """One of its keys is done."""
        self._left -= 1
        if self._left == 0:
            self._ledger.finish(self._sequence)


class Ledger(Generic[K]):
    """Begins behind `floor`: what is not newer than that is done."""

    def __init__(self, floor: int = 0) -> None:
        self._mark = Watermark(floor)
        self._held: dict[K, list[Ticket]] = {}

    @property
    def floor(self) -> int:
        return self._mark.floor

    @property
    def highest(self) -> int:
        """The highest sequence that was begun."""
        return self._mark.highest

    @property
    def pending(self) -> int:
        """How many changes are not done."""
        return self._mark.pending

    def begin(self, sequence: int, keys: Iterable[K], cause: Cause | None = None) -> None:
        """A change that arrived; `cause` where its number is that of a change, and not of a snapshot. Does nothing for
        one that was begun before: it is in hand, or done."""
        if not self._mark.begin(sequence):
            return
        distinct = dict.fromkeys(keys)
        if not distinct:
            self._mark.done(sequence)
            return
        ticket = Ticket(self, sequence, len(distinct), cause)
        for key in distinct:
            self._held.setdefault(key, []).append(ticket)

    def take(self, key: K) -> Sequence[Ticket]:
        """The changes that wait for a key whose turn has come. What arrives from now on waits for its next turn."""
        return self._held.pop(key, [])

    def hold(self, key: K, tickets: Sequence[Ticket]) -> None:
        """The key is not done: its changes go on waiting."""
        if tickets:
            self._held.setdefault(key, [])[:0] = tickets

    def finish(self, sequence: int) -> None:
        self._mark.done(sequence)
