"""The search finds what cannot be explained, and explains what can."""

from __future__ import annotations

import math
import random
from itertools import permutations

import orjson
import pytest

from tests.faults.history import ANY_VERSION, History, Outcome, Read, Write
from tests.faults.linearizable import Kind, Operation, Value, linearizable, operations_of, unexplained


def read(expected: Value, started: float, ended: float) -> Operation:
    return Operation(Kind.READ, started, ended, expected=expected)


def put(value: str, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.WRITE, started, ended, value=value)


def swap(expected: Value, value: Value, started: float, ended: float = math.inf) -> Operation:
    return Operation(Kind.SWAP, started, ended, expected=expected, value=value)


def kept(expected: Value, started: float, ended: float) -> Operation:
    return Operation(Kind.KEPT, started, ended, expected=expected)


MADE = swap(None, "a", 0, 1)


@pytest.mark.parametrize(
    "operations",
    [
        [],
        [MADE, read("a", 2, 3), put("b", 4, 5), read("b", 6, 7)],
        [MADE, put("b", 2, 5), read("a", 3, 4), read("b", 3.5, 6)],
        [MADE, put("b", 2, 5), put("c", 2, 5), read("b", 6, 7)],
        [MADE, swap("a", None, 2, 3), read(None, 4, 5), swap(None, "b", 6, 7), kept("a", 8, 9)],
        [MADE, put("b", 2), read("a", 3, 4), read("b", 90, 91)],
        [MADE, put("b", 2), read("a", 90, 91)],
        [MADE, swap("a", "b", 2), swap("a", "c", 3, 4), read("c", 5, 6)],
        [swap(None, "a", 0), swap(None, "b", 1), read("b", 2, 3), read("b", 4, 5)],
        [MADE, read("a", 1, 2), put("b", 1, 2)],
    ],
    ids=[
        "nothing", "one-after-another", "overlapping", "either-was-last", "deleted-and-made-again", "late",
        "never-happened", "an-unknown-swap-that-failed", "only-one-could-be-first", "touching",
    ],
)  # fmt: skip
def test_what_has_an_order_is_explained(operations: list[Operation]) -> None:
    assert unexplained(operations) is None


@pytest.mark.parametrize(
    ("operations", "stuck"),
    [
        ([MADE, put("b", 2, 3), read("a", 4, 5)], 2),
        ([MADE, read("b", 2, 3), put("b", 4, 5)], 1),
        ([MADE, put("b", 2, 9), read("b", 3, 4), read("a", 5, 6)], 3),
        ([MADE, swap("a", "b", 2, 3), swap("a", "c", 4, 5)], 2),
        ([MADE, kept("a", 2, 3)], 1),
        ([MADE, kept(None, 2, 3), read(None, 4, 5)], 2),
        ([MADE, swap("a", None, 2, 3), read("a", 4, 5)], 2),
        ([MADE, put("b", 2), read("b", 3, 4), read("a", 5, 6)], 3),
        ([MADE, swap("a", "b", 2), swap("a", "c", 3, 4), read("b", 5, 6)], 3),
        ([read("a", 0, 1)], 0),
        ([put("a", 0, 1)], 0),
    ],
    ids=[
        "stale", "from-the-future", "back-in-time", "two-replaced-the-same", "refused-without-a-reason",
        "vanished", "risen-from-the-dead", "seen-and-undone", "two-winners", "from-nowhere", "onto-nothing",
    ],
)  # fmt: skip
def test_what_has_no_order_is_found_and_where(operations: list[Operation], stuck: int) -> None:
    assert unexplained(operations) == operations[stuck]


def brute_force(operations: list[Operation]) -> bool:
    """Every order of every selection that holds all that is known to have happened."""
    known = [one for one in operations if one.ended < math.inf]
    return any(_is_order(list(order)) for n in range(len(known), len(operations) + 1)
               for order in permutations(operations, n) if all(one in order for one in known))  # fmt: skip


def _is_order(order: list[Operation]) -> bool:
    state: Value = None
    for place, one in enumerate(order):
        if any(later.ended < one.started for later in order[place + 1 :]):
            return False
        fits, state = one.after(state)
        if not fits:
            return False
    return True


def test_it_agrees_with_trying_every_order() -> None:
    choose = random.Random(1)
    verdicts = [0, 0]
    for _ in range(1500):
        operations = [_anything(choose, n) for n in range(choose.randint(1, 5))]
        expected = brute_force(operations)
        assert (unexplained(operations) is None) == expected, operations
        verdicts[expected] += 1
    assert min(verdicts) > 200, "the runs were too much of one kind"


def _anything(choose: random.Random, number: int) -> Operation:
    started = choose.uniform(0, 4)
    ended = started + choose.uniform(0.1, 3)
    values: list[Value] = [None, "v0", "v1", "v2"]
    value, expected = choose.choice([f"v{number}", f"v{number}", None]), choose.choice(values[: number + 1])
    late = ended if choose.random() < 0.7 else math.inf
    match choose.choice(list(Kind)):
        case Kind.READ:
            return read(expected, started, ended)
        case Kind.WRITE:
            return put(f"v{number}", started, late)
        case Kind.SWAP:
            return swap(expected, value, started, late)
        case Kind.KEPT:
            return kept(expected, started, ended)


def test_a_long_run_with_many_unknown_outcomes_takes_no_time() -> None:
    operations, now, value = [MADE], 1.0, "a"
    for number in range(3000):
        now += 1
        if number % 40 == 0:
            operations.append(put(f"lost-{number}", now, math.inf))
        operations.append(swap(value, f"v{number}", now + 0.1, now + 0.9))
        value = f"v{number}"
        operations.append(read(value, now + 0.95, now + 0.97))
    assert unexplained(operations) is None
    operations.append(read("v7", now + 2, now + 3))
    assert unexplained(operations) == operations[-1]


def answer(value: str, rv: int) -> bytes:
    return orjson.dumps({"metadata": {"resourceVersion": str(rv)}, "data": {"v": value}})


def made(outcome: Outcome = Outcome.ACKNOWLEDGED) -> Write:
    return Write("k", "ADDED", "w-0", 0, 0, 1, outcome, 5, answer("w-0", 5))


def test_a_history_says_what_was_done_to_which_value() -> None:
    history = History(
        [
            made(),
            Write("k", "MODIFIED", "w-1", 5, 2, 3, Outcome.UNKNOWN),
            Write("k", "MODIFIED", "w-2", ANY_VERSION, 4, 5, Outcome.ACKNOWLEDGED, 9, answer("w-2", 9)),
            Write("k", "DELETED", "w-3", 7, 6, 7, Outcome.REFUSED, why="409 changed"),
            Write("k", "MODIFIED", "w-4", 9, 8, 9, Outcome.REFUSED, why="503 away"),
            Write("k", "MODIFIED", "w-5", ANY_VERSION, 10, 11, Outcome.REFUSED, why="404 no such thing"),
        ],
        [Read("k", 2.5, 3, 7, answer("w-1", 7)), Read("k", 12, 13, 0)],
    )
    assert set(operations_of(history)["k"]) == {
        swap(None, "w-0", 0, 1),
        swap("w-0", "w-1", 2),
        put("w-2", 4, 5),
        kept("w-1", 6, 7),
        read(None, 10, 11),
        read("w-1", 2.5, 3),
        read(None, 12, 13),
    }
    told = list(linearizable(history))
    assert len(told) == 1
    assert told[0].startswith("k is not linearizable: no order of its 7 operations explains who saw None")


def test_a_sound_history_is_linearizable() -> None:
    assert list(linearizable(History([made()], [Read("k", 2, 3, 5, answer("w-0", 5))]))) == []
