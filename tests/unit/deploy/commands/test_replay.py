"""Pace and form of a replay."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from deploy.commands.output import Output
from deploy.commands.replay import Pace, Rows, millis, speed_of
from deploy.errors import UserError
from tests.unit.deploy.commands.told import told

THEN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("text", "speed"), [("10x", 10.0), ("0.5x", 0.5), ("2", 2.0), (".25x", 0.25)])
def test_a_speed_is_a_factor(text: str, speed: float) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["", "x", "0x", "0", "0.0x", "-1x", "fast", "10xx", "1e3", "inf", "nan"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no speed such as"):
        speed_of(text)


def test_changes_are_as_far_apart_as_they_were_divided_by_the_speed() -> None:
    clock = Clock()
    pace = Pace(10.0, clock)
    assert pace.wait_seconds(THEN) == 0.0
    assert pace.wait_seconds(THEN + timedelta(seconds=20)) == pytest.approx(2.0)
    clock.now += 2.0
    assert pace.wait_seconds(THEN + timedelta(seconds=30)) == pytest.approx(1.0)


def test_time_that_was_lost_is_made_up_for() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    pace.wait_seconds(THEN)
    clock.now += 5.0
    assert pace.wait_seconds(THEN + timedelta(seconds=3)) == 0.0
    assert pace.wait_seconds(THEN + timedelta(seconds=6)) == pytest.approx(1.0)


def test_clocks_that_went_back_and_changes_without_a_time_hold_nothing_up() -> None:
    pace = Pace(1.0, Clock())
    pace.wait_seconds(THEN)
    assert pace.wait_seconds(THEN - timedelta(seconds=9)) == 0.0
    assert pace.wait_seconds(None) == 0.0


def test_a_table_has_its_header_once_and_a_row_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(Output(), json=False)
    assert capsys.readouterr().out == ""
    rows.show(told(7, "ADDED"))
    rows.show(told(8))
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["TIME", "RV", "TYPE", "OBJECT", "ACTOR"]
    assert first.split() == ["2026-05-01T12:00:07.000Z", "7", "ADDED", "pods/default/web", "ann"]
    assert second.index("MODIFIED") == header.index("TYPE") == first.index("ADDED")


def test_json_is_the_watch_frame_of_each_change_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(Output(), json=True)
    rows.show(told(7, "ADDED"))
    assert json.loads(capsys.readouterr().out) == {
        "type": "ADDED",
        "object": {"metadata": {"name": "web", "resourceVersion": "7"}},
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-05-01T12:00:00.123456Z", "2026-05-01T12:00:00.123Z"),
        ("2026-05-01T12:00:00Z", "2026-05-01T12:00:00Z"),
        ("", ""),
    ],
)
def test_times_are_shown_to_the_millisecond(text: str, shown: str) -> None:
    assert millis(text) == shown
