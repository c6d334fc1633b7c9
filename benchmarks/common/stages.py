"""When each of many objects reached each of several stages. Pure: the caller has the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reached:
    """How a stage was reached. `seconds`: from the beginning to the last object. The rest: each object's own time
    since it reached the first stage."""

    stage: str
    count: int
    seconds: float
    median_seconds: float
    p99_seconds: float
    slowest_seconds: float

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


class Stages:
    def __init__(self, first: str, *others: str) -> None:
        self._first = first
        self._times: dict[str, dict[str, float]] = {stage: {} for stage in (first, *others)}

    def note(self, stage: str, name: str, now: float) -> None:
        """The first time counts."""
        self._times[stage].setdefault(name, now)

    def count(self, stage: str) -> int:
        return len(self._times[stage])

    def reached(self, stage: str, *, began: float) -> Reached:
        """At least one object has reached it."""
        times, since = self._times[stage], self._times[self._first]
        own = sorted(at - since.get(name, at) for name, at in times.items())
        return Reached(
            stage,
            count=len(times),
            seconds=max(times.values()) - began,
            median_seconds=quantile(own, 0.5),
            p99_seconds=quantile(own, 0.99),
            slowest_seconds=own[-1],
        )


def quantile(ordered: Sequence[float], part: float) -> float:
    """Of values in ascending order: one that was really seen."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
