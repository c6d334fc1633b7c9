"""Time against numbers: what was answered before another one was sent has the smaller number, and reads are current.

The values of a register's writes are unique and their order is known, it is that of their numbers. Then whether a
history of overlapping reads and writes is linearizable can be told in one pass over it, without search (P. B. Gibbons,
E. Korach: Testing Shared Memories, SIAM Journal on Computing 26(4), 1997, on executions with a known write order):
give each operation the number of the version that it wrote or read; then no operation may have a smaller number than
one that had ended before it began, and no read may show a write that began after the read had ended.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.changes import Change, Placed
from tests.faults.history import History, Outcome

NOTHING = -1


@dataclass(frozen=True, slots=True)
class _Operation:
    """`number` is NOTHING for a read without a result: it may belong to any of the times without an object."""

    started: float
    ended: float
    number: int
    told: str
    read: bool = False


def ordered(placings: Sequence[Placed]) -> Iterator[str]:
    """Over all objects: the record has one total order, and it agrees with time."""
    ended = _Ended()
    for operation in sorted(map(_writing, _single(placings)), key=_start):
        floor = ended.before(operation.started)
        if operation.number <= floor:
            yield f"{operation.told} was sent after {floor} had been answered"
        ended.add(operation.ended, operation.number)


def _single(placings: Sequence[Placed]) -> list[Placed]:
    return [p for p in placings if len(p.numbers) == 1]


def _start(operation: _Operation) -> float:
    return operation.started


def _writing(p: Placed) -> _Operation:
    """One that was never answered may have happened any time later."""
    ended = p.write.ended if p.write.outcome is Outcome.ACKNOWLEDGED else math.inf
    return _Operation(p.write.started, ended, p.numbers[0], str(p))


class _Ended:
    """The highest number among the operations that had ended at a time. Asked with times that do not fall."""

    def __init__(self) -> None:
        self._floor = 0
        self._running: list[tuple[float, int]] = []

    def before(self, moment: float) -> int:
        while self._running and self._running[0][0] < moment:
            self._floor = max(self._floor, heapq.heappop(self._running)[1])
        return self._floor

    def add(self, ended: float, number: int) -> None:
        heapq.heappush(self._running, (ended, number))


def registers(changes: Sequence[Change], placings: Sequence[Placed], history: History) -> Iterator[str]:
    """Each object alone: every read shows a version that was current at some moment of the read."""
    operations: dict[str, list[_Operation]] = defaultdict(list)
    begun: dict[int, float] = {0: 0.0}
    for p in _single(placings):
        operations[p.write.key].append(_writing(p))
        begun[p.numbers[0]] = p.write.started
    for read in history.reads:
        told = f"a GET of {read.key} that found {read.rv or 'nothing'}"
        operations[read.key].append(_Operation(read.started, read.ended, read.rv or NOTHING, told, read=True))
    gaps = _times_without_object(changes)
    for key, of_key in operations.items():
        yield from _register(of_key, gaps[key], begun)


def listings(
    changes: Sequence[Change], placings: Sequence[Placed], history: History, before: Iterable[Change] = ()
) -> Iterator[str]:
    """A list is the whole state at its number, and that is not older than what had been answered before it began.
    `before`: the last change of each object before `changes`."""
    ended = _Ended()
    for p in _single(placings):
        writing = _writing(p)
        ended.add(writing.ended, writing.number)
    for listing in sorted(history.listings, key=lambda one: one.started):
        floor = ended.before(listing.started)
        if listing.rv < floor:
            yield f"a LIST at {listing.rv} began after {floor} had been answered"
    state = {change.key: change.number for change in before if change.ours and change.type != "DELETED"}
    following = iter(change for change in changes if change.ours)
    change = next(following, None)
    for listing in sorted(history.listings, key=lambda one: one.rv):
        while change is not None and change.number <= listing.rv:
            if change.type == "DELETED":
                state.pop(change.key, None)
            else:
                state[change.key] = change.number
            change = next(following, None)
        if listing.objects != state:
            wrong = sorted(set(listing.objects.items()) ^ set(state.items()))
            yield f"a LIST at {listing.rv} differs from the state at {listing.rv}: {wrong[:4]}"


def _times_without_object(changes: Sequence[Change]) -> Mapping[str, Sequence[int]]:
    """Of each object, the numbers from which on there was none."""
    gaps: dict[str, list[int]] = defaultdict(lambda: [0])
    for change in changes:
        if change.ours and change.type == "DELETED":
            gaps[change.key].append(change.number)
    return gaps


def _register(operations: Sequence[_Operation], gaps: Sequence[int], begun: Mapping[int, float]) -> Iterator[str]:
    ended = _Ended()
    for operation in sorted(operations, key=_start):
        floor = ended.before(operation.started)
        number = operation.number if operation.number != NOTHING else _first_at_least(gaps, floor)
        if number < floor:
            yield f"{operation.told} began after {floor} had been answered"
            continue
        if operation.read and begun.get(number, math.inf) > operation.ended:
            yield f"{operation.told} ended before anybody had written {number}"
        ended.add(operation.ended, number)


def _first_at_least(gaps: Sequence[int], floor: int) -> int:
    """The earliest time without an object that is not over; NOTHING where there is none."""
    at = bisect_left(gaps, floor)
    return gaps[at] if at < len(gaps) else NOTHING
