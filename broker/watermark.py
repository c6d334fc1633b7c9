"""Which changes are done, and up to where all of them are.

Changes are begun in rising order and done in any order; `floor` is the highest begun sequence below which, itself
included, everything is done. Only the floor may be acknowledged, so a crash redelivers exactly what was not finished.

Invariant: floor < every pending sequence; floor never falls.
"""

from __future__ import annotations

from collections import deque


class Watermark:
    def __init__(self, floor: int = 0) -> None:
        self._floor = floor
        self._order: deque[int] = deque()
        self._pending: set[int] = set()
        self._highest = floor

    @property
    def floor(self) -> int:
        return self._floor

    @property
    def pending(self) -> int:
        """How many were begun and are not done."""
        return len(self._pending)

    @property
    def highest(self) -> int:
        """The highest sequence that was begun."""
        return self._highest

    def begin(self, sequence: int) -> bool:
        """False when the sequence was begun before: a redelivery of what is in hand or done."""
        if sequence <= self._highest:
            return False
        self._highest = sequence
        self._order.append(sequence)
        self._pending.add(sequence)
        return True

    def done(self, sequence: int) -> bool:
        """True when the floor rose. Done twice is done once."""
        self._pending.discard(sequence)
        return self._rise()

    def all_done(self, sequence: int) -> bool:
        """Everything that was begun up to this one is done. True when the floor rose."""
        self._pending = {one for one in self._pending if one > sequence}
        return self._rise()

    def _rise(self) -> bool:
        before = self._floor
        while self._order and self._order[0] not in self._pending:
            self._floor = self._order.popleft()
        return self._floor != before
