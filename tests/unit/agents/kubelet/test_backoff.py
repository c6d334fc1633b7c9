"""How long a container that keeps ending waits."""

from __future__ import annotations

from datetime import timedelta

from agents.kubelet.backoff import Backoff, after_restart, shown, waits_until
from tests.unit.agents.kubelet.builders import NOW, later


def test_the_waits_double_up_to_five_minutes() -> None:
    known: Backoff | None = None
    waits = []
    for _ in range(8):
        known = after_restart(known, NOW, NOW)
        waits.append(known.delay.total_seconds())
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]


def test_the_first_restart_does_not_wait() -> None:
    assert waits_until(None, NOW) is None


def test_a_wait_counts_from_the_end() -> None:
    assert waits_until(Backoff(timedelta(seconds=40), NOW), later(100)) == later(140)


def test_ten_minutes_of_running_are_a_new_beginning() -> None:
    known = Backoff(timedelta(seconds=300), NOW)
    assert waits_until(known, later(600)) is not None
    assert waits_until(known, later(601)) is None
    assert after_restart(known, later(601), later(601)).delay == timedelta(seconds=10)


def test_durations_are_shown_as_go_shows_them() -> None:
    assert [shown(timedelta(seconds=s)) for s in (10, 40, 60, 80, 300)] == ["10s", "40s", "1m0s", "1m20s", "5m0s"]
