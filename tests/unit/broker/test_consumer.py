"""Consumers as JetStream describes them, read and written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.consumer import config_of, state_of


def info(**changes: Any) -> dict[str, Any]:
    config = {"opt_start_seq": 11, "filter_subject": "changes.>", **changes.pop("config", {})}
    made = {
        "name": "audit",
        "config": config,
        "ack_floor": {"consumer_seq": 0, "stream_seq": 10},
        "delivered": {"consumer_seq": 0, "stream_seq": 10},
        "num_pending": 4,
        "num_ack_pending": 0,
        "num_waiting": 0,
    }
    return {**made, **changes}


def test_a_new_consumer_is_where_it_began() -> None:
    state = state_of(info())
    assert (state.begun, state.acknowledged, state.delivered, state.lag) == (10, 10, 10, 4)
    assert (state.untouched, state.waiting, state.last_seen, state.owner) == (True, False, None, "")


def test_a_consumer_that_was_used_tells_how_far_it_is() -> None:
    state = state_of(
        info(
            ack_floor={"stream_seq": 12, "last_active": "2026-05-01T10:00:00.123456789Z"},
            delivered={"stream_seq": 15, "last_active": "2026-05-01T10:00:02Z"},
            num_ack_pending=3,
            num_waiting=1,
            config={"metadata": {"backbeat.dev/owner": "u1", "_nats.ver": "2.15.1"}},
        )
    )
    assert (state.acknowledged, state.delivered, state.lag, state.untouched) == (12, 15, 7, False)
    assert (state.waiting, state.owner) == (True, "u1")
    assert state.last_seen == datetime(2026, 5, 1, 10, 0, 2, tzinfo=UTC)


def test_a_consumer_without_a_start_begins_with_the_first_change() -> None:
    assert state_of(info(config={"opt_start_seq": None}, ack_floor={"stream_seq": 0})).begun == 0


@pytest.mark.parametrize("filters", [["changes.core.pods.>"], ["changes.apps.>", "changes.core.pods.>"]])
def test_filters_are_read_as_they_were_written(filters: list[str]) -> None:
    config = config_of("audit", filters=filters, after=41)
    assert state_of(info(config=config)).filters == tuple(filters)
    assert (config["opt_start_seq"], config["ack_policy"], config["max_ack_pending"]) == (42, "all", -1)
    assert "metadata" not in config
    assert config_of("audit", filters=filters, after=41, owner="u1")["metadata"] == {"backbeat.dev/owner": "u1"}
