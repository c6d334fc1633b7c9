"""What each node has and what is charged to it, by resource.

Amounts are added up exactly per node; a column holds the sum, capped, so no sum of absurd requests wraps around.
Invariant: a row of `requested` is the sum over the pods that were added to it and not removed.
"""

from __future__ import annotations

from collections.abc import Iterable

from agents.scheduler.amounts import CPU, LIMIT, MEMORY, PODS, Amounts
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Column, Ints, Rows

SCORED = (CPU, MEMORY)


class Ledger:
    """One sum for each resource and row."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._sums: dict[int, Amounts] = {}
        self._columns: dict[str, Column] = {}

    def of(self, name: str) -> Ints:
        return self._column(name).values

    def add(self, row: int, name: str, by: int) -> None:
        sums = self._sums.setdefault(row, {})
        total = sums.get(name, 0) + by
        if total:
            sums[name] = total
        else:
            sums.pop(name, None)
        self._column(name).values[row] = max(-LIMIT, min(total, LIMIT))

    def clear(self, row: int) -> None:
        """When the row is freed."""
        self._sums.pop(row, None)

    def _column(self, name: str) -> Column:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._rows.column()
        return found


class Resources:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._allocatable: dict[str, Column] = {}
        self._has: dict[int, Amounts] = {}
        self.requested = Ledger(rows)
        self.scored = Ledger(rows)
        """Cpu and memory, with defaults for containers that ask for nothing: for scores only."""

    def set(self, row: int, has: Amounts) -> None:
        for name in {*self._has.get(row, {}), *has}:
            self._column(name).values[row] = has.get(name, 0)
        self._has[row] = has

    def clear(self, row: int) -> None:
        """When the row is freed."""
        self._has.pop(row, None)
        self.requested.clear(row)
        self.scored.clear(row)

    def allocatable(self, name: str) -> Ints:
        return self._column(name).values

    def change(self, pod: PodInfo, row: int, by: int) -> None:
        self.requested.add(row, PODS, by)
        for name, value in pod.requests.items():
            self.requested.add(row, name, by * value)
        for name, value in zip(SCORED, _scored(pod), strict=True):
            self.scored.add(row, name, by * value)

    def _column(self, name: str) -> Column:
        found = self._allocatable.get(name)
        if found is None:
            found = self._allocatable[name] = self._rows.column()
        return found


def _scored(pod: PodInfo) -> Iterable[int]:
    """At least what it is charged: while a resize is under way that is more than its template says."""
    return (max(value, pod.requests.get(name, 0)) for name, value in zip(SCORED, pod.template.scored, strict=True))
