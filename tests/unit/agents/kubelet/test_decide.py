"""What one pod needs next, in each of its situations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agents.kubelet.decide import (
    Forget,
    MakeSandbox,
    Release,
    RemoveContainer,
    StartContainer,
    StopContainer,
    StopSandbox,
    Waiting,
    decide,
)
from agents.kubelet.observed import Problem
from agents.kubelet.runtime import ContainerState
from tests.unit.agents.kubelet.builders import (
    NOW,
    SANDBOX,
    Obj,
    container,
    created,
    deleted,
    exited,
    later,
    observed,
    pod,
    running,
    spec,
    waiting_for,
)


def sidecar(name: str) -> Obj:
    return spec(name, restartPolicy="Always")


def test_first_comes_the_sandbox() -> None:
    assert decide(pod(), observed(sandbox=None), NOW).actions == (MakeSandbox(),)


def test_a_sandbox_that_could_not_be_made_waits_until_its_retry() -> None:
    problem = Problem("FailedMount", "no", later(5))
    plan = decide(pod(), observed(sandbox=None, pod_problem=problem), NOW)
    assert (plan.actions, plan.wake_at) == ((), later(5))
    assert decide(pod(), observed(sandbox=None, pod_problem=problem), later(5)).actions == (MakeSandbox(),)


def test_main_containers_start_side_by_side() -> None:
    plan = decide(pod(spec("a"), spec("b")), observed(), NOW)
    assert plan.actions == (StartContainer("a", 0), StartContainer("b", 0))


def test_nothing_is_to_be_done_while_all_run() -> None:
    plan = decide(pod(), observed(running()), NOW)
    assert (plan.actions, plan.wake_at, plan.over) == ((), None, False)


def test_a_container_that_was_made_and_never_started_is_made_again() -> None:
    assert decide(pod(), observed(created()), NOW).actions == (RemoveContainer(created().id),)


def test_the_first_restart_is_immediate() -> None:
    ended = exited(code=1)
    assert decide(pod(), observed(ended), NOW).actions == (StartContainer("main", 1, ended),)


def test_later_restarts_wait_from_the_end_on() -> None:
    ended = exited(code=1, attempt=1, at=NOW)
    known = observed(ended, backoffs={"main": waiting_for(20)})
    plan = decide(pod(), known, later(5))
    assert (plan.actions, plan.wake_at) == ((), later(20))
    message = "back-off 20s restarting failed container=main pod=web_default(uid-1)"
    assert plan.waiting == {"main": Waiting("CrashLoopBackOff", message)}
    assert decide(pod(), known, later(20)).actions == (StartContainer("main", 2, ended),)


def test_a_container_that_cannot_be_made_is_retried_later() -> None:
    problem = Problem("CreateContainerConfigError", "no such key", later(10))
    plan = decide(pod(), observed(problems={"main": problem}), NOW)
    assert (plan.actions, plan.wake_at) == ((), later(10))
    assert plan.waiting == {"main": Waiting("CreateContainerConfigError", "no such key")}
    assert decide(pod(), observed(problems={"main": problem}), later(10)).actions == (StartContainer("main", 0),)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_restart_policies(policy: str, code: int, again: bool) -> None:
    ended = exited(code=code)
    plan = decide(pod(restartPolicy=policy), observed(ended), NOW)
    assert plan.actions == ((StartContainer("main", 1, ended),) if again else (StopSandbox(SANDBOX.id),))
    assert plan.over is not again


def test_a_pod_is_over_only_when_all_its_main_containers_are() -> None:
    known = observed(exited("a"), running("b"))
    plan = decide(pod(spec("a"), spec("b"), restartPolicy="Never"), known, NOW)
    assert (plan.actions, plan.over) == ((), False)


def test_a_container_may_have_rules_of_its_own() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    main = spec(restartPolicy="Never", restartPolicyRules=rules)
    assert not decide(pod(main, restartPolicy="Never"), observed(exited(code=42)), NOW).over
    assert decide(pod(main, restartPolicy="Never"), observed(exited(code=41)), NOW).over


class TestInitContainers:
    pod = staticmethod(lambda **more: pod(initContainers=[spec("one"), spec("two")], **more))

    def test_run_one_after_the_other(self) -> None:
        assert decide(self.pod(), observed(), NOW).actions == (StartContainer("one", 0),)
        assert decide(self.pod(), observed(running("one")), NOW).actions == ()
        assert decide(self.pod(), observed(exited("one")), NOW).actions == (StartContainer("two", 0),)
        done = observed(exited("one"), exited("two"))
        assert decide(self.pod(), done, NOW).actions == (StartContainer("main", 0),)

    def test_run_again_after_a_failure(self) -> None:
        failed = exited("one", 1)
        assert decide(self.pod(), observed(failed), NOW).actions == (StartContainer("one", 1, failed),)

    def test_end_a_pod_that_never_restarts_by_a_failure(self) -> None:
        plan = decide(self.pod(restartPolicy="Never"), observed(exited("one", 1)), NOW)
        assert (plan.actions, plan.over) == ((StopSandbox(SANDBOX.id),), True)

    def test_do_not_run_again_once_the_main_ones_began(self) -> None:
        plan = decide(self.pod(), observed(running("main")), NOW)
        assert (plan.actions, plan.over) == ((), False)


class TestSidecars:
    pod = staticmethod(lambda **more: pod(initContainers=[sidecar("s1"), sidecar("s2")], **more))

    def test_are_waited_for_until_they_started(self) -> None:
        assert decide(self.pod(), observed(), NOW).actions == (StartContainer("s1", 0),)
        assert decide(self.pod(), observed(running("s1"), healthy=False), NOW).actions == ()
        assert decide(self.pod(), observed(running("s1")), NOW).actions == (StartContainer("s2", 0),)
        both = observed(running("s1"), running("s2"))
        assert decide(self.pod(), both, NOW).actions == (StartContainer("main", 0),)

    def test_run_again_beside_the_main_ones(self) -> None:
        ended = exited("s1")
        known = observed(ended, running("s2"), running("main"))
        assert decide(self.pod(restartPolicy="Never"), known, NOW).actions == (StartContainer("s1", 1, ended),)

    def test_end_once_the_main_ones_have_the_last_first(self) -> None:
        known = observed(running("s1"), running("s2"), exited("main"))
        plan = decide(self.pod(restartPolicy="Never"), known, NOW)
        assert [a.name for a in plan.actions if isinstance(a, StopContainer)] == ["s2"]
        assert plan.over
        known = observed(running("s1"), exited("s2"), exited("main"))
        plan = decide(self.pod(restartPolicy="Never"), known, NOW)
        assert [a.name for a in plan.actions if isinstance(a, StopContainer)] == ["s1"]

    def test_of_a_deleted_pod_get_what_is_left_of_the_grace(self) -> None:
        leaving = deleted(self.pod(), grace=30)
        known = observed(running("s1"), exited("s2"), exited("main", 143))
        (stop,) = decide(leaving, known, later(20)).actions
        assert isinstance(stop, StopContainer)
        assert stop.grace_seconds == 10
        (stop,) = decide(leaving, known, later(60)).actions
        assert isinstance(stop, StopContainer)
        assert stop.grace_seconds == 2


class TestDeletion:
    def test_stops_main_containers_first(self) -> None:
        both = pod(initContainers=[sidecar("side")])
        plan = decide(deleted(both, grace=7), observed(running("side"), running("main")), NOW)
        assert plan.actions == (StopContainer(running("main").id, "main", 7.0),)
        assert plan.over

    def test_releases_the_object_when_nothing_runs(self) -> None:
        assert decide(deleted(pod()), observed(exited(code=143)), NOW).actions == (Release(),)
        assert decide(deleted(pod()), observed(sandbox=None), NOW).actions == (Release(),)

    def test_without_grace_stops_all_at_once(self) -> None:
        both = pod(initContainers=[sidecar("side")])
        plan = decide(deleted(both, grace=0), observed(running("side"), running("main")), NOW)
        assert {a.name for a in plan.actions if isinstance(a, StopContainer)} == {"side", "main"}

    def test_starts_nothing_any_more(self) -> None:
        plan = decide(deleted(pod(spec("a"), spec("b"))), observed(running("a"), exited("b", 1)), NOW)
        assert [type(a) for a in plan.actions] == [StopContainer]


def test_a_pod_that_the_api_has_not_is_killed_and_forgotten() -> None:
    plan = decide(pod(), observed(running(), gone=True), NOW)
    assert plan.actions == (StopContainer(running().id, "main", 0.0),)
    assert decide(pod(), observed(exited(), gone=True), NOW).actions == (Forget(),)
    assert decide(pod(), observed(gone=True, sandbox=None), NOW).actions == (Forget(),)


class TestDeadline:
    begun = {"phase": "Running", "startTime": NOW.isoformat()}  # noqa: RUF012  never changed

    def test_is_a_reason_to_look_again(self) -> None:
        plan = decide(pod(activeDeadlineSeconds=60, status=self.begun), observed(running()), later(1))
        assert (plan.actions, plan.wake_at) == ((), later(60))

    def test_ends_the_pod(self) -> None:
        plan = decide(pod(activeDeadlineSeconds=60, status=self.begun), observed(running()), later(60))
        assert plan.actions == (StopContainer(running().id, "main", 30.0),)
        assert plan.over
        assert (plan.reason, plan.message) == (
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
        )

    def test_does_not_count_before_the_pod_was_begun(self) -> None:
        assert decide(pod(activeDeadlineSeconds=60), observed(sandbox=None), later(1000)).actions == (MakeSandbox(),)


def test_a_pod_that_has_ended_stays_ended() -> None:
    status = {"phase": "Failed", "reason": "Evicted", "message": "because"}
    plan = decide(pod(status=status), observed(running()), NOW)
    assert [type(a) for a in plan.actions] == [StopContainer]
    assert (plan.over, plan.reason, plan.message) == (True, "Evicted", "because")
    assert decide(pod(status=status), observed(sandbox=None), NOW).actions == ()


class TestUnhealthy:
    def test_containers_are_stopped_and_say_why(self) -> None:
        known = observed(running(), unhealthy={running().id: "failed liveness probe"})
        (stop,) = decide(pod(), known, NOW).actions
        assert stop == StopContainer(
            running().id, "main", 30.0, "Container main failed liveness probe, will be restarted"
        )

    def test_containers_may_have_a_grace_of_their_own(self) -> None:
        main = spec(livenessProbe={"terminationGracePeriodSeconds": 3})
        known = observed(running(), unhealthy={running().id: "failed liveness probe"})
        (stop,) = decide(pod(main), known, NOW).actions
        assert isinstance(stop, StopContainer)
        assert stop.grace_seconds == 3

    def test_containers_restart_on_failure_whatever_they_returned(self) -> None:
        ended = exited(code=0)
        known = observed(ended, unhealthy={ended.id: "failed liveness probe"})
        assert decide(pod(restartPolicy="OnFailure"), known, NOW).actions == (StartContainer("main", 1, ended),)
        assert decide(pod(restartPolicy="Never"), known, NOW).over


def test_a_pod_that_is_at_rest_needs_nothing() -> None:
    stopped = replace(SANDBOX, ready=False)
    plan = decide(pod(restartPolicy="Never"), observed(exited(), sandbox=stopped), NOW)
    assert (plan.actions, plan.over) == ((), True)


def test_another_image_is_another_container() -> None:
    changed = pod(spec(image="new"))
    (stop,) = decide(changed, observed(running()), NOW).actions
    assert isinstance(stop, StopContainer)
    assert stop.why == "Container main definition changed, will be restarted"
    old = container("main", ContainerState.EXITED)
    assert decide(pod(spec(image="new"), restartPolicy="OnFailure"), observed(old), NOW).actions


def test_of_each_container_the_newest_two_attempts_are_kept() -> None:
    known = observed(exited(attempt=0), exited(attempt=1), running(attempt=2))
    assert decide(pod(), known, NOW).actions == (RemoveContainer(exited(attempt=0).id),)


def test_a_decision_is_the_same_when_it_is_asked_again() -> None:
    known = observed(exited(code=1), backoffs={"main": waiting_for(20)})
    first, second = (decide(pod(), known, NOW + timedelta(seconds=1)) for _ in range(2))
    assert first == second
