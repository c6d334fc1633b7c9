"""Is there an order of one object's reads and writes that explains every answer and agrees with time?

The search of J. M. Wing and C. Gong (Testing and Verifying Concurrent Objects, Journal of Parallel and Distributed
Computing 17, 1993) with the memory of G. Lowe (Testing for Linearizability, Concurrency and Computation: Practice and
Experience 29(4), 2017): what was tried once from one state with one set of operations behind it is not tried again.
Objects are checked one by one, which is enough: linearizability is local (M. Herlihy and J. M. Wing, 1990).

It asks the clients alone. `tests.faults.order` knows the stream's order and needs no search; this does not trust it.

An operation whose outcome nobody knows may have happened at any time after it was begun, or never: it may be put
anywhere in the order and may be left out. It is put only where the next operation would not come out the same without
it; else the order without it explains as much. That keeps many of them from being tried in every combination.
"""

from __future__ import annotations

import enum
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.history import ANY_VERSION, History, Outcome, Read, Write

MOST_STEPS = 2_000_000

Value = str | None
"""None: there is no object. Each write of a run has a value of its own, so a value stands for a version."""


class Kind(enum.Enum):
    READ = "saw"
    WRITE = "put, where there was an object,"
    SWAP = "replaced"
    KEPT = "was refused, for there was something else than"


@dataclass(frozen=True, slots=True)
class Operation:
    """`expected`: what a READ saw, a SWAP replaced, a KEPT did not find. `value`: what there is afterwards."""

    kind: Kind
    started: float
    ended: float
    expected: Value = None
    value: Value = None

    def after(self, state: Value) -> tuple[bool, Value]:
        """Whether this can happen here, and what there is afterwards."""
        match self.kind:
            case Kind.READ:
                return state == self.expected, state
            case Kind.WRITE:
                return state is not None, self.value
            case Kind.SWAP:
                return state == self.expected, self.value
            case Kind.KEPT:
                return state != self.expected, state

    def __str__(self) -> str:
        of = "" if self.kind is Kind.WRITE else f" {self.expected}"
        by = f" by {self.value}" if self.kind is Kind.SWAP else f" {self.value}" if self.kind is Kind.WRITE else ""
        return f"who {self.kind.value}{of}{by} from {self.started:.3f} to {self.ended:.3f}"


class Undecided(Exception):
    """The search was given up. Says nothing about the history."""


def linearizable(history: History, *, undecided: list[str] | None = None) -> Iterator[str]:
    """For each object that cannot be explained, how far it can. `undecided` is told of searches that were given up."""
    for key, operations in operations_of(history).items():
        try:
            stuck = unexplained(operations)
        except Undecided as err:
            if undecided is not None:
                undecided.append(f"{key}: {err}")
            continue
        if stuck is not None:
            yield f"{key} is not linearizable: no order of its {len(operations)} operations explains {stuck}"


def operations_of(history: History) -> Mapping[str, Sequence[Operation]]:
    """By object. What was refused for another reason than what there was did nothing and says nothing."""
    values = _values(history)
    found: dict[str, list[Operation]] = defaultdict(list)
    for read in history.reads:
        expected = values[read.key, read.rv] if read.rv else None
        found[read.key].append(Operation(Kind.READ, read.started, read.ended, expected=expected))
    for write in history.writes:
        operation = _operation(write, values)
        if operation is not None:
            found[write.key].append(operation)
    return found


def _values(history: History) -> Mapping[tuple[str, int], Value]:
    """What each version held, as the clients were told."""
    told: Iterable[Read | Write] = (*history.reads, *history.writes)
    values: dict[tuple[str, int], Value] = {(one.key, one.rv): one.held for one in told if one.rv}
    return values


def _operation(write: Write, values: Mapping[tuple[str, int], Value]) -> Operation | None:
    value = None if write.kind == "DELETED" else write.value
    expected = values[write.key, write.base_rv] if write.base_rv not in (0, ANY_VERSION) else None
    times = (write.started, write.ended if write.outcome is not Outcome.UNKNOWN else math.inf)
    if write.outcome is not Outcome.REFUSED:
        kind = Kind.WRITE if write.base_rv == ANY_VERSION else Kind.SWAP
        return Operation(kind, *times, expected=expected, value=value)
    if write.base_rv == ANY_VERSION:
        return Operation(Kind.READ, *times, expected=None) if write.status == 404 else None
    return Operation(Kind.KEPT, *times, expected=expected) if write.status in (404, 409) else None


class _Event:
    """The begin or the end of an operation, in the order of time. A doubly linked list, so that what is tried can be
    taken out and put back at once. Ends at the same moment as a begin come after it: then the two overlap."""

    __slots__ = ("end", "following", "number", "operation", "previous")

    def __init__(self, number: int, operation: Operation) -> None:
        self.number = number
        self.operation = operation
        self.end: _Event | None = None
        """Of the operation that begins here; None for an end, and where there is none."""
        self.previous: _Event = self
        self.following: _Event | None = None

    def take_out(self) -> None:
        for event in (self, self.end):
            if event is not None:
                event.previous.following = event.following
                if event.following is not None:
                    event.following.previous = event.previous

    def put_back(self) -> None:
        for event in (self.end, self):
            if event is not None:
                event.previous.following = event
                if event.following is not None:
                    event.following.previous = event


@dataclass(frozen=True, slots=True)
class _Point:
    """How far an order is: which operations are in it, as bits, and what there is then."""

    done: int
    state: Value
    before: Value
    in_doubt: bool
    """The last operation is one that may not have happened; `before` is what there was without it."""

    def then(self, number: int, operation: Operation) -> _Point | None:
        """With one operation more; None where it does not fit, or makes the one in doubt needless."""
        outcome = operation.after(self.state)
        if not outcome[0] or (self.in_doubt and outcome == operation.after(self.before)):
            return None
        return _Point(self.done | 1 << number, outcome[1], self.state, in_doubt=operation.ended == math.inf)


def unexplained(operations: Sequence[Operation]) -> Operation | None:
    """The operation that the longest order that was found stops at. None: all are explained. Raises Undecided."""
    useful = list(_useful(operations))
    head = _events(useful)
    point = _Point(0, None, None, in_doubt=False)
    left = fewest = sum(operation.ended < math.inf for operation in useful)
    tried: set[_Point] = set()
    steps: list[tuple[_Event, _Point]] = []
    stuck: Operation | None = None
    event = head.following
    for _ in range(MOST_STEPS):
        if not left:
            return None
        assert event is not None  # there is an end ahead
        if _is_end(event):
            if left <= fewest:
                fewest, stuck = left, event.operation
            if not steps:
                return stuck
            event, point = steps.pop()
            left += event.end is not None
            event.put_back()
            event = event.following
            continue
        then = point.then(event.number, event.operation)
        if then is None or then in tried:
            event = event.following
            continue
        tried.add(then)
        steps.append((event, point))
        point = then
        left -= event.end is not None
        event.take_out()
        event = head.following
    raise Undecided(f"{len(operations)} operations, {len(tried)} points")


def _useful(operations: Sequence[Operation]) -> Iterator[Operation]:
    """Without those that need not have happened and that nobody can have noticed: nobody saw or replaced what was left,
    nobody was refused since, and they did not make the object that somebody else wrote to."""
    noticed = {one.expected for one in operations if one.kind in (Kind.READ, Kind.SWAP)}
    last_kept = max((one.ended for one in operations if one.kind is Kind.KEPT), default=-math.inf)
    written = any(one.kind is Kind.WRITE for one in operations)
    for one in operations:
        made = one.kind is Kind.SWAP and one.expected is None and written
        if one.ended < math.inf or one.value in noticed or one.started < last_kept or made:
            yield one


def _is_end(event: _Event) -> bool:
    return event.end is None and event.operation.ended < math.inf


def _events(operations: Sequence[Operation]) -> _Event:
    """The list's head, which is no event."""
    begins = [_Event(number, operation) for number, operation in enumerate(operations)]
    placed = [(begin.operation.started, 0, begin) for begin in begins]
    for begin in begins:
        if begin.operation.ended < math.inf:
            begin.end = _Event(begin.number, begin.operation)
            placed.append((begin.operation.ended, 1, begin.end))
    head = last = _Event(-1, Operation(Kind.READ, -math.inf, math.inf))
    for _, _, event in sorted(placed, key=lambda p: p[:2]):
        last.following, event.previous, last = event, last, event
    return head
