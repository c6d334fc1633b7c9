"""What the doctor makes of what it saw."""

from __future__ import annotations

from collections import Counter

import pytest

from apiserver.care.compare import Outbox
from apiserver.care.doctor import (
    MOST_DETAILS,
    Finding,
    numbers_found,
    objects_found,
    outbox_found,
    secrets_found,
    subscriptions_found,
)
from apiserver.store.upkeep import Numbers
from apiserver.subscriptions.spec import Wanted
from broker.consumer import ConsumerState
from broker.selection import SelectedResource, Selection
from broker.stream import StreamState


def numbers(rv: int, *, first: int = 0, last: int = 0, closed: str = "") -> Numbers:
    """`first` and `last` of the outbox."""
    return Numbers(
        rv=rv, stream=0, outbox_first=first, outbox_last=last, outbox_entries=last - first + 1, closed=closed, aside=0
    )


@pytest.mark.parametrize(
    ("seen", "stream", "found"),
    [
        (numbers(9, first=1, last=9), StreamState(1, 9), ""),
        (numbers(9), StreamState(1, 9), ""),
        (numbers(9, first=3, last=9), StreamState(1, 7), "2 changes wait to be published"),
        (numbers(0), StreamState(1, 0), ""),
    ],
)
def test_numbers_that_fit_are_well(seen: Numbers, stream: StreamState, found: str) -> None:
    told = numbers_found(seen, stream)
    assert told.ok
    assert found in told.found


@pytest.mark.parametrize(
    ("seen", "stream", "found"),
    [
        (numbers(7, first=1, last=7), StreamState(1, 9), "the record is behind"),
        (numbers(9, first=1, last=11), StreamState(1, 9), "the counter is behind the outbox, which ends at 11"),
        (numbers(9, first=8, last=9), StreamState(1, 5), "does not cover the difference"),
        (numbers(9), StreamState(1, 5), "does not cover the difference"),
        (numbers(9, first=6, last=8), StreamState(1, 5), "does not cover the difference"),
        (numbers(9, first=1, last=9, closed="it is restored"), StreamState(1, 9), "no write is taken: it is restored"),
    ],
)
def test_numbers_that_do_not_fit_are_told(seen: Numbers, stream: StreamState, found: str) -> None:
    told = numbers_found(seen, stream)
    assert not told.ok
    assert found in told.found
    assert told.advice


def test_an_outbox_is_well_when_it_holds_what_was_published() -> None:
    assert outbox_found(Outbox(compared=5)).ok
    assert not outbox_found(Outbox(compared=5, differ=[3])).ok
    assert not outbox_found(Outbox(compared=5, hole_before=7)).ok


def test_what_differs_is_named_up_to_a_number() -> None:
    assert objects_found(10, [], []).ok
    assert not objects_found(10, [], ["changes.x"]).ok
    line = objects_found(50, [f"o{n}" for n in range(MOST_DETAILS + 3)], []).line()
    assert (len(line["details"]), line["details"][-1]) == (MOST_DETAILS + 1, "… and 3 more")
    assert Finding("x", True, "y").line() == {"check": "x", "ok": True, "found": "y", "advice": "", "details": []}


def wanted(name: str = "a", uid: str = "1") -> Wanted:
    selection = Selection((SelectedResource("", "pods", ""),))
    return Wanted(name=name, uid=uid, selection=selection, start=0, checkpoint=0, snapshot_first=False, deleted=False)


def consumer(name: str = "a", owner: str = "1", filters: tuple[str, ...] = ("changes.core.pods.>",)) -> ConsumerState:
    return ConsumerState(
        name=name,
        filters=filters,
        begun=0,
        acknowledged=0,
        delivered=0,
        pending=0,
        unacknowledged=0,
        waiting=False,
        last_seen=None,
        owner=owner,
    )


def test_every_subscription_has_its_own_consumer() -> None:
    assert subscriptions_found([wanted()], {"a": consumer()}).ok
    other = subscriptions_found([wanted()], {"a": consumer(), "b": consumer("b")})
    assert (other.ok, other.details) == (True, ["the consumer b belongs to no Subscription"])
    for there, why in (
        ({}, "a has no consumer"),
        ({"a": consumer(owner="2")}, "the consumer of a was made for another Subscription of that name"),
        ({"a": consumer(filters=("changes.>",))}, "the consumer of a selects something else"),
    ):
        found = subscriptions_found([wanted()], there)
        assert (found.ok, found.details) == (False, [why])


def test_secrets_with_an_older_key_are_well_and_worth_a_word() -> None:
    assert secrets_found(Counter(), [], "new").found == "0 can be opened"
    assert secrets_found(Counter({"new": 3}), [], "new").advice == ""
    older = secrets_found(Counter({"new": 3, "old": 2}), [], "new")
    assert (older.ok, older.found) == (True, "5 can be opened, 2 of them with an older key only")
    assert "backbeat secrets rotate" in older.advice
    broken = secrets_found(Counter({"lost": 1}), ["why"], "new")
    assert (broken.ok, broken.details) == (False, ["why"])
