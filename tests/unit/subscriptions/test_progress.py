"""How far a subscriber is told to be, when its cursor counts as passed, and when its consumer needs a hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.subscriptions.progress import Care, care_for, is_told, is_worth_a_write, progress_of, status_of
from apiserver.subscriptions.spec import Wanted
from broker.consumer import ConsumerState
from broker.selection import Selection
from broker.stream import StreamState

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
STREAM = StreamState(first=101, last=500)


def wanted(**changes: Any) -> Wanted:
    made = Wanted(
        name="audit",
        uid="u1",
        selection=Selection.of([("", "pods")]),
        start=200,
        checkpoint=0,
        snapshot_first=False,
        deleted=False,
    )
    return replace(made, **changes)


def consumer(**changes: Any) -> ConsumerState:
    made = ConsumerState(
        name="audit",
        filters=("changes.core.pods.>",),
        begun=200,
        acknowledged=300,
        delivered=300,
        pending=0,
        unacknowledged=0,
        waiting=False,
        last_seen=NOW - timedelta(minutes=5),
    )
    return replace(made, **changes)


def test_a_subscriber_with_nothing_to_do_is_at_the_end_of_the_stream() -> None:
    progress = progress_of(wanted(), consumer(), STREAM, NOW)
    assert (progress.acknowledged, progress.delivered, progress.lag, progress.expired) == (500, 500, 0, False)


def test_a_subscriber_with_changes_to_take_is_where_it_acknowledged() -> None:
    progress = progress_of(wanted(), consumer(pending=3, unacknowledged=2, delivered=310), STREAM, NOW)
    assert (progress.acknowledged, progress.delivered, progress.lag) == (300, 310, 5)


def test_a_checkpoint_counts_where_the_broker_knows_less() -> None:
    progress = progress_of(wanted(checkpoint=450), consumer(pending=1), STREAM, NOW)
    assert (progress.acknowledged, progress.delivered) == (450, 450)


@pytest.mark.parametrize(("acknowledged", "expired"), [(99, True), (100, False), (101, False)])
def test_a_cursor_expires_when_the_change_behind_it_is_gone(acknowledged: int, expired: bool) -> None:
    found = consumer(acknowledged=acknowledged, begun=50, pending=7)
    assert progress_of(wanted(start=50), found, STREAM, NOW).expired is expired


def test_an_expired_cursor_is_not_told_to_be_at_the_end_when_nothing_is_left() -> None:
    progress = progress_of(wanted(start=50), consumer(acknowledged=60, begun=50), STREAM, NOW)
    assert (progress.acknowledged, progress.expired) == (60, True)


def test_who_takes_a_snapshot_first_stays_at_its_start_until_that_is_done_and_does_not_expire() -> None:
    first = wanted(start=50, snapshot_first=True)
    before = progress_of(first, consumer(begun=50, acknowledged=50), STREAM, NOW)
    assert (before.acknowledged, before.expired) == (50, False)
    after = progress_of(first, consumer(begun=50, acknowledged=51, pending=1), STREAM, NOW)
    assert (after.acknowledged, after.expired) == (51, True)


def test_whoever_waits_for_changes_is_seen_now() -> None:
    assert progress_of(wanted(), consumer(waiting=True), STREAM, NOW).last_seen == NOW
    assert progress_of(wanted(), consumer(), STREAM, NOW).last_seen == NOW - timedelta(minutes=5)
    assert progress_of(wanted(), consumer(last_seen=None), STREAM, NOW).last_seen is None


def test_when_it_was_last_seen_never_goes_back() -> None:
    """The consumer forgets who waited, and everything when it is rewound."""
    lately = NOW - timedelta(minutes=1)
    assert progress_of(wanted(), consumer(), STREAM, NOW, sighted=lately).last_seen == lately
    assert progress_of(wanted(), consumer(last_seen=None), STREAM, NOW, sighted=lately).last_seen == lately
    told = status_of(obj({"lastSeen": "2026-05-01T11:59:00Z"}), progress_of(wanted(), consumer(), STREAM, NOW), NOW)
    assert told["lastSeen"] == "2026-05-01T11:59:00Z"


@given(
    acknowledged=st.integers(0, 60),
    taken=st.integers(0, 60),
    pending=st.integers(0, 5),
    held=st.integers(0, 5),
    checkpoint=st.integers(0, 60),
    first=st.integers(1, 60),
    kept=st.integers(0, 60),
    snapshot_first=st.booleans(),
)
def test_acknowledged_never_passes_delivered_nor_the_stream(
    acknowledged: int,
    taken: int,
    pending: int,
    held: int,
    checkpoint: int,
    first: int,
    kept: int,
    snapshot_first: bool,
) -> None:
    stream = StreamState(first, first - 1 + kept)
    acknowledged = min(acknowledged, stream.last)
    found = consumer(
        begun=0, acknowledged=acknowledged, delivered=acknowledged + taken, pending=pending, unacknowledged=held
    )
    progress = progress_of(wanted(checkpoint=checkpoint, snapshot_first=snapshot_first), found, stream, NOW)
    assert acknowledged <= progress.acknowledged <= max(stream.last, acknowledged)
    assert progress.acknowledged <= progress.delivered
    if progress.lag and progress.acknowledged > acknowledged:
        assert progress.acknowledged <= checkpoint


# What the consumer needs


def test_an_idle_consumer_is_moved_to_its_checkpoint() -> None:
    assert care_for(wanted(checkpoint=400), consumer(waiting=True), STREAM, NOW) is Care.MOVE
    assert care_for(wanted(checkpoint=300), consumer(), STREAM, NOW) is Care.NOTHING


def test_a_consumer_is_not_moved_under_the_hands_of_its_subscriber_nor_beyond_the_stream() -> None:
    held = consumer(unacknowledged=1, waiting=True, last_seen=NOW)
    assert care_for(wanted(checkpoint=400), held, STREAM, NOW) is Care.NOTHING
    assert care_for(wanted(checkpoint=501), consumer(), STREAM, NOW) is Care.NOTHING


@pytest.mark.parametrize(
    ("acknowledged", "minutes", "waiting", "care"),
    [
        (450, 61, False, Care.RELEASE),
        (450, 59, False, Care.NOTHING),
        (450, 61, True, Care.NOTHING),
        (150, 2, False, Care.RELEASE),
        (150, 0.5, False, Care.NOTHING),
        (150, 2, True, Care.NOTHING),
    ],
)
def test_deliveries_that_nobody_holds_are_taken_back_and_soon_where_retention_is_near(
    acknowledged: int, minutes: float, waiting: bool, care: Care
) -> None:
    found = consumer(
        acknowledged=acknowledged, unacknowledged=3, waiting=waiting, last_seen=NOW - timedelta(minutes=minutes)
    )
    assert care_for(wanted(), found, STREAM, NOW) is care


# The status


def obj(status: dict[str, Any] | None = None, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"name": "audit", "generation": generation}, "status": status or {}}


def conditions(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def test_the_status_tells_progress_and_keeps_where_it_started() -> None:
    progress = progress_of(wanted(), consumer(pending=2), STREAM, NOW)
    status = status_of(obj({"startResourceVersion": "200", "consumer": "audit"}), progress, NOW)
    assert conditions(status) == {"Ready": ("True", "ConsumerReady"), "Expired": ("False", "WithinRetention")}
    del status["conditions"]
    assert status == {
        "startResourceVersion": "200",
        "consumer": "audit",
        "acknowledged": 300,
        "delivered": 300,
        "lag": 2,
        "connected": False,
        "lastSeen": "2026-05-01T11:55:00Z",
    }


def test_a_consumer_that_is_missing_is_told_and_the_checkpoint_stays() -> None:
    status = status_of(obj({"acknowledged": 7, "connected": True}), None, NOW, why="gone")
    assert (status["acknowledged"], status["connected"]) == (7, False)
    assert conditions(status) == {"Ready": ("False", "ConsumerMissing")}


def test_a_condition_keeps_its_time_until_its_value_changes() -> None:
    whole = progress_of(wanted(), consumer(), STREAM, NOW)
    passed = progress_of(wanted(start=0), consumer(begun=0, acknowledged=5, pending=1), STREAM, NOW)
    first = status_of(obj(), whole, NOW)
    later, latest = NOW + timedelta(hours=1), NOW + timedelta(hours=2)
    second = status_of(obj(first), whole, later)
    third = status_of(obj(second), passed, latest)
    times = [{c["type"]: c["lastTransitionTime"] for c in status["conditions"]} for status in (first, second, third)]
    assert times[0] == times[1] == {"Ready": "2026-05-01T12:00:00Z", "Expired": "2026-05-01T12:00:00Z"}
    assert times[2] == {"Ready": "2026-05-01T12:00:00Z", "Expired": "2026-05-01T14:00:00Z"}
    assert conditions(third)["Expired"] == ("True", "PassedByRetention")


def test_conditions_are_written_at_once_and_mere_progress_is_not() -> None:
    progress = progress_of(wanted(), consumer(pending=1), STREAM, NOW)
    old = status_of(obj(), progress, NOW)
    further = status_of(obj(old), progress_of(wanted(), consumer(), STREAM, NOW), NOW + timedelta(hours=1))
    assert further["acknowledged"] != old["acknowledged"]
    assert not is_worth_a_write(old, further)
    assert is_worth_a_write({}, old)
    assert is_worth_a_write(old, status_of(obj(old, generation=2), progress, NOW))


def test_conditions_of_an_older_generation_do_not_count() -> None:
    progress = progress_of(wanted(), consumer(), STREAM, NOW)
    told = obj(status_of(obj(), progress, NOW))
    assert is_told(told)
    assert not is_told({**told, "metadata": {"name": "audit", "generation": 2}})
    assert not is_told(obj())
