"""Containers that the API has heard of and the runtime has not."""

from __future__ import annotations

from typing import Any

from agents.kubelet.observed import lost_containers
from agents.kubelet.runtime import ContainerState
from tests.unit.agents.kubelet.builders import NOW, Obj, exited, observed, pod, running


def stated(state: Obj, **more: Any) -> Obj:
    one = {"name": "main", "containerID": "sim://abc", "restartCount": 3, "state": state, **more}
    return pod(status={"phase": "Running", "containerStatuses": [one]})


def test_one_that_ran_has_ended_in_a_way_that_nobody_saw() -> None:
    (lost,) = lost_containers(stated({"running": {}}), (), NOW)
    assert (lost.id, lost.attempt, lost.state) == ("abc", 3, ContainerState.EXITED)
    assert (lost.exit_code, lost.reason, lost.finished_at) == (137, "ContainerStatusUnknown", NOW)


def test_one_that_had_ended_stays_as_it_was() -> None:
    ended = {"exitCode": 4, "reason": "Error", "finishedAt": "2026-03-01T11:00:00Z"}
    (lost,) = lost_containers(stated({"terminated": ended}), (), NOW)
    assert (lost.exit_code, lost.reason) == (4, "Error")
    assert lost.finished_at is not None
    assert lost.finished_at.hour == 11


def test_one_that_waits_for_its_restart_ended_as_its_last_state_says() -> None:
    known = stated({"waiting": {}}, lastState={"terminated": {"exitCode": 2}})
    (lost,) = lost_containers(known, (), NOW)
    assert lost.exit_code == 2


def test_what_the_runtime_knows_is_not_lost() -> None:
    assert lost_containers(stated({"running": {}}), (running(),), NOW) == ()


def test_what_never_was_made_is_not_lost() -> None:
    assert lost_containers(stated({"waiting": {}}, containerID=""), (), NOW) == ()


def test_attempts_are_ordered_newest_first() -> None:
    known = observed(exited(attempt=0), running(attempt=2), exited(attempt=1))
    assert [c.attempt for c in known.of("main")] == [2, 1, 0]
    assert known.latest("main") == running(attempt=2)
    assert known.latest("none") is None
    assert known.running() == [running(attempt=2)]
