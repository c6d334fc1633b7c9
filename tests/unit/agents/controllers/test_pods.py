"""What controllers ask of pods."""

from __future__ import annotations

from datetime import timedelta

from agents.controllers import pods as p
from tests.unit.agents.controllers.objects import NOW, at, pod


def test_active_is_what_is_neither_finished_nor_leaving() -> None:
    assert p.is_active(pod("a"))
    assert p.is_active({**pod("a"), "status": {}})
    assert not p.is_active(pod("a", phase="Succeeded"))
    assert not p.is_active(pod("a", deletionTimestamp=at(0)))


def test_available_is_what_was_ready_for_long_enough() -> None:
    assert p.available_in(pod("a", ready=None), 0, NOW) is None
    assert p.available_in(pod("a", ready=0), 0, NOW) == 0
    assert p.available_in(pod("a", ready=-10), 30, NOW) == 20
    assert p.available_in(pod("a", ready=-10), 30, NOW + timedelta(seconds=20)) == 0


def test_the_cost_of_a_deletion_is_a_number_or_nothing() -> None:
    def costing(text: str) -> int:
        return p.deletion_cost(pod("a", annotations={p.DELETION_COST: text}))

    assert (costing("-7"), costing("many"), p.deletion_cost(pod("a"))) == (-7, 0, 0)


def test_a_condition_keeps_its_time_while_its_value_stays() -> None:
    first = p.with_condition({}, {"type": "X", "status": "True", "reason": "A"}, NOW)
    same = p.with_condition(first, {"type": "X", "status": "True", "reason": "B"}, NOW + timedelta(seconds=9))
    assert same["conditions"] == [{"type": "X", "status": "True", "reason": "B", "lastTransitionTime": at(0)}]
    other = p.with_condition(first, {"type": "X", "status": "False"}, NOW + timedelta(seconds=9))
    assert other["conditions"][0]["lastTransitionTime"] == at(9)
