"""What the API shows of a pod: phase, container states, conditions."""

from __future__ import annotations

import pytest

from agents.kubelet.decide import decide
from agents.kubelet.observed import Observed, Problem
from agents.kubelet.podspec import format_time
from agents.kubelet.podstatus import pod_status
from tests.unit.agents.kubelet.builders import (
    NOW,
    Obj,
    deleted,
    exited,
    later,
    observed,
    pod,
    running,
    spec,
    waiting_for,
)


def status_of(of: Obj, known: Observed, at: float = 0) -> Obj:
    now = later(at)
    return pod_status(of, known, decide(of, known, now), now, scheme="process")


def main(status: Obj) -> Obj:
    found: Obj = status["containerStatuses"][0]
    return found


def conditions(status: Obj) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


def condition(status: Obj, kind: str) -> Obj:
    found: Obj = next(c for c in status["conditions"] if c["type"] == kind)
    return found


def test_a_new_pod_is_pending() -> None:
    status = status_of(pod(), observed(sandbox=None))
    assert status["phase"] == "Pending"
    assert status["startTime"] == format_time(NOW)
    assert status["hostIP"] == "127.64.0.1"
    assert "podIP" not in status
    assert main(status)["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert (main(status)["ready"], main(status)["started"], main(status)["restartCount"]) == (False, False, 0)
    assert conditions(status) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
        "PodScheduled": "True",
    }
    assert condition(status, "Ready")["reason"] == "ContainersNotReady"
    assert condition(status, "Ready")["message"] == "containers with unready status: [main]"


def test_with_init_containers_the_others_wait_for_the_initialization() -> None:
    status = status_of(pod(initContainers=[spec("init")]), observed())
    assert main(status)["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert condition(status, "Initialized")["message"] == "containers with incomplete status: [init]"
    assert condition(status, "Initialized")["reason"] == "ContainersNotInitialized"


def test_a_running_pod_has_an_address_and_is_ready() -> None:
    status = status_of(pod(), observed(running()))
    assert status["phase"] == "Running"
    assert (status["podIP"], status["podIPs"]) == ("127.64.0.2", [{"ip": "127.64.0.2"}])
    assert main(status)["state"] == {"running": {"startedAt": format_time(NOW)}}
    assert main(status)["containerID"] == "process://main-0"
    assert set(conditions(status).values()) == {"True"}


def test_a_container_that_is_not_ready_keeps_the_pod_from_being_so() -> None:
    status = status_of(pod(), observed(running(), healthy=False))
    assert status["phase"] == "Running"
    assert conditions(status)["Ready"] == "False"


def test_a_container_in_back_off_shows_its_last_end() -> None:
    known = observed(exited(code=3, attempt=2), backoffs={"main": waiting_for(40)})
    status = status_of(pod(), known, at=1)
    assert status["phase"] == "Running"
    assert main(status)["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert main(status)["restartCount"] == 2
    assert main(status)["lastState"]["terminated"]["exitCode"] == 3


def test_a_restarted_container_shows_the_end_before() -> None:
    status = status_of(pod(), observed(exited(code=3), running(attempt=1)))
    assert "running" in main(status)["state"]
    assert main(status)["lastState"]["terminated"] == {
        "exitCode": 3,
        "reason": "Error",
        "startedAt": format_time(NOW),
        "finishedAt": format_time(NOW),
        "containerID": "process://main-0",
    }


def test_a_problem_is_shown_as_the_reason_to_wait() -> None:
    problem = Problem("CreateContainerConfigError", "no key", later(10))
    status = status_of(pod(), observed(problems={"main": problem}))
    assert main(status)["state"] == {"waiting": {"reason": "CreateContainerConfigError", "message": "no key"}}
    assert status["phase"] == "Pending"


@pytest.mark.parametrize(("codes", "phase"), [((0, 0), "Succeeded"), ((0, 1), "Failed")])
def test_a_pod_ends_by_its_main_containers(codes: tuple[int, int], phase: str) -> None:
    known = observed(exited("a", codes[0]), exited("b", codes[1]))
    status = status_of(pod(spec("a"), spec("b"), restartPolicy="Never"), known)
    assert status["phase"] == phase
    assert condition(status, "Ready")["reason"] == ("PodCompleted" if phase == "Succeeded" else "PodFailed")
    assert conditions(status)["PodReadyToStartContainers"] == "False"


def test_a_pod_goes_on_running_while_one_container_does() -> None:
    status = status_of(pod(spec("a"), spec("b"), restartPolicy="Never"), observed(exited("a", 1), running("b")))
    assert status["phase"] == "Running"


def test_a_failed_init_container_fails_the_pod() -> None:
    both = pod(initContainers=[spec("init")], restartPolicy="Never")
    assert status_of(both, observed(exited("init", 1)))["phase"] == "Failed"
    assert status_of(pod(initContainers=[spec("init")]), observed(exited("init", 1)))["phase"] == "Pending"


def test_a_deleted_pod_ends_when_nothing_runs() -> None:
    assert status_of(deleted(pod()), observed(running()))["phase"] == "Running"
    assert status_of(deleted(pod()), observed(exited(code=143)))["phase"] == "Failed"
    assert status_of(deleted(pod()), observed(exited(code=0)))["phase"] == "Succeeded"
    assert status_of(deleted(pod()), observed(sandbox=None))["phase"] == "Failed"


def test_a_deadline_fails_the_pod_once_nothing_runs() -> None:
    late = pod(activeDeadlineSeconds=1, status={"phase": "Running", "startTime": format_time(NOW)})
    assert status_of(late, observed(running()), at=2)["phase"] == "Running"
    status = status_of(late, observed(exited(code=143)), at=2)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


def test_an_end_is_final() -> None:
    for phase in ("Succeeded", "Failed"):
        assert status_of(pod(status={"phase": phase}), observed(running()))["phase"] == phase


def test_a_transition_time_changes_only_with_its_condition() -> None:
    first = status_of(pod(), observed(running()))
    again = status_of(pod(status=first), observed(running()), at=60)
    assert again == first
    closed = status_of(pod(status=first), observed(running(), healthy=False), at=60)
    assert condition(closed, "Ready")["lastTransitionTime"] == format_time(later(60))
    assert condition(closed, "Initialized") == condition(first, "Initialized")


def test_conditions_of_others_are_kept() -> None:
    gate = {"type": "example.com/gate", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status = status_of(pod(status={"phase": "Pending", "conditions": [gate]}), observed(running()))
    assert condition(status, "example.com/gate") == gate


def test_readiness_gates_are_part_of_ready() -> None:
    gated = pod(readinessGates=[{"conditionType": "example.com/gate"}])
    status = status_of(gated, observed(running()))
    assert conditions(status)["ContainersReady"] == "True"
    assert condition(status, "Ready")["reason"] == "ReadinessGatesNotReady"
    assert condition(status, "Ready")["message"] == (
        'corresponding condition of pod readiness gate "example.com/gate" does not exist.'
    )
    gate = {"type": "example.com/gate", "status": "False"}
    status = status_of({**gated, "status": {"phase": "Pending", "conditions": [gate]}}, observed(running()))
    assert condition(status, "Ready")["message"] == (
        'the status of pod readiness gate "example.com/gate" is not "True", but False'
    )


def test_sidecars_count_for_readiness_and_not_for_the_end() -> None:
    sided = pod(initContainers=[spec("side", restartPolicy="Always")], restartPolicy="Never")
    unready = observed(running("side"), running("main"), ready=frozenset({running("main").id}))
    assert condition(status_of(sided, unready), "Ready")["message"] == "containers with unready status: [side]"
    ended = observed(exited("side", 143), exited("main", 0))
    assert status_of(sided, ended)["phase"] == "Succeeded"


def test_what_the_server_wrote_into_the_status_stays() -> None:
    assert status_of(pod(status={"phase": "Pending", "qosClass": "Burstable"}), observed())["qosClass"] == "Burstable"


def test_the_generation_that_was_acted_on_is_told() -> None:
    status = status_of(pod(metadata={"generation": 4}), observed(running()))
    assert status["observedGeneration"] == 4
    assert {c["observedGeneration"] for c in status["conditions"]} == {4}
