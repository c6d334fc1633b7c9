"""How many pods, which of them go first, and what the status says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.controllers import replicaset_decide as decide
from agents.controllers.replicaset_decide import Failure
from tests.unit.agents.controllers.objects import NOW, at, pod, replica_set

Obj = dict[str, Any]


def order(*pods: Obj, related: tuple[Obj, ...] = ()) -> list[str]:
    """All pods in the order in which they would go."""
    plan = decide.plan(replica_set("rs", 0), pods, related or pods, NOW)
    return [one["metadata"]["name"] for one in plan.delete]


def with_restarts(made: Obj, count: int) -> Obj:
    made["status"]["containerStatuses"] = [{"name": "c", "restartCount": count}]
    return made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("b", node=""), pod("a", node="n", ready=None)),
        (pod("b", phase="Pending", ready=None), pod("a", ready=None)),
        (pod("b", phase="Pending", ready=None), pod("a", phase="Unknown", ready=None)),
        (pod("b", ready=None), pod("a")),
        (pod("b", annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}), pod("a")),
        (pod("b", ready=-2), pod("a", ready=-2000)),
        (with_restarts(pod("b"), 3), pod("a")),
        (pod("b", created=-10), pod("a", created=-100_000)),
    ],
    ids=["unbound", "pending", "pending before unknown", "not ready", "cheap", "young", "restarts", "new"],
)
def test_what_is_missed_least_goes_first(first: Obj, second: Obj) -> None:
    assert order(second, first) == ["b", "a"]
    assert order(first, second) == ["b", "a"]


def test_pods_that_are_doubled_up_on_a_node_go_first_and_pods_of_sibling_sets_count() -> None:
    a, b = pod("a", node="crowded"), pod("b", node="lonely")
    siblings = (pod("s1", node="crowded"), pod("s2", node="crowded"), pod("done", node="lonely", phase="Succeeded"))
    assert order(b, a, related=(a, b, *siblings)) == ["a", "b"]
    assert order(a, b, related=(a, b, pod("s1", node="lonely"))) == ["b", "a"]


def test_ages_that_differ_little_do_not_count() -> None:
    assert order(pod("b", ready=-1100), pod("a", ready=-1900)) == ["a", "b"]


def test_a_sidecar_that_restarts_counts_after_containers() -> None:
    calm, busy = pod("a"), pod("b")
    busy["spec"]["initContainers"] = [{"name": "side", "restartPolicy": "Always"}, {"name": "init"}]
    busy["status"]["initContainerStatuses"] = [{"name": "side", "restartCount": 2}, {"name": "init", "restartCount": 9}]
    assert order(calm, busy) == ["b", "a"]


def test_finished_and_leaving_pods_are_replaced() -> None:
    pods = [pod("a"), pod("b", phase="Failed"), pod("c", deletionTimestamp=at(5))]
    assert decide.plan(replica_set("rs", 3), pods, pods, NOW) == decide.Plan(2, ())


def test_a_set_that_is_leaving_makes_and_removes_nothing() -> None:
    rs = replica_set("rs", 0)
    rs["metadata"]["deletionTimestamp"] = at(0)
    assert decide.plan(rs, [pod("a")], [], NOW) == decide.Plan(0, ())


def test_one_reconcile_makes_or_removes_so_many_at_most() -> None:
    many = [pod(f"p{n}") for n in range(700)]
    assert decide.plan(replica_set("rs", 2000), [], [], NOW).create == decide.BURST_REPLICAS
    assert len(decide.plan(replica_set("rs", 0), many, many, NOW).delete) == decide.BURST_REPLICAS


@given(
    replicas=st.integers(0, 6),
    kinds=st.lists(st.sampled_from(["ready", "unready", "pending", "unbound", "failed", "leaving"]), max_size=10),
)
def test_the_number_is_right_afterwards_and_no_ready_pod_goes_while_another_could(
    replicas: int, kinds: list[str]
) -> None:
    pods = []
    for n, kind in enumerate(kinds):
        made = pod(
            f"p{n}",
            node="" if kind == "unbound" else f"n{n % 3}",
            phase={"pending": "Pending", "unbound": "Pending", "failed": "Failed"}.get(kind, "Running"),
            ready=-100.0 if kind in ("ready", "leaving") else None,
        )
        if kind == "leaving":
            made["metadata"]["deletionTimestamp"] = at(0)
        pods.append(made)
    plan = decide.plan(replica_set("rs", replicas), pods, pods, NOW)
    active = [k for k in kinds if k not in ("failed", "leaving")]
    assert len(active) + plan.create - len(plan.delete) == replicas
    gone = [kinds[int(one["metadata"]["name"][1:])] for one in plan.delete]
    assert set(gone).isdisjoint({"failed", "leaving"})
    kept = list(active)
    for kind in gone:
        kept.remove(kind)
    if "ready" in gone:
        assert set(kept) <= {"ready"}


def status_of(rs: Obj, pods: list[Obj], failure: Failure | None = None) -> tuple[Obj, float | None]:
    return decide.status(rs, pods, NOW, failure=failure)


def test_the_status_counts() -> None:
    pods = [
        pod("a", labels={"app": "web", "pod-template-hash": "rs"}),
        pod("b", ready=None),
        pod("c", phase="Failed"),
        pod("d", deletionTimestamp=at(5)),
        pod("e", phase="Succeeded", deletionTimestamp=at(5)),
    ]
    status, _ = status_of(replica_set("rs", 2), pods)
    assert status == {
        "replicas": 2, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "terminatingReplicas": 1, "observedGeneration": 1,
    }  # fmt: skip


def test_a_ready_pod_becomes_available_by_itself_and_it_is_known_when() -> None:
    rs = replica_set("rs", 2)
    rs["spec"]["minReadySeconds"] = 30
    status, wait = status_of(rs, [pod("a", ready=-10), pod("b", ready=-12)])
    assert (status["readyReplicas"], status.get("availableReplicas"), wait) == (2, None, 18)
    status, wait = decide.status(rs, [pod("a", ready=-10)], NOW + timedelta(seconds=20))
    assert (status["availableReplicas"], wait) == (1, None)


def test_a_failure_is_told_and_keeps_its_first_words_until_it_is_over() -> None:
    rs = replica_set("rs", 1)
    first, _ = status_of(rs, [], Failure("FailedCreate", 'pods "rs-x1" is forbidden'))
    assert [(c["type"], c["status"], c["reason"], c["message"]) for c in first["conditions"]] == [
        ("ReplicaFailure", "True", "FailedCreate", 'pods "rs-x1" is forbidden')
    ]
    failing = {**rs, "status": first}
    again, _ = status_of(failing, [], Failure("FailedCreate", 'pods "rs-y2" is forbidden'))
    assert again == first
    well, _ = status_of(failing, [pod("a")])
    assert "conditions" not in well


def test_a_pod_is_made_from_the_template_and_owned() -> None:
    rs = replica_set("rs", 1)
    rs["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    made = decide.pod_from_template(rs, "apps/v1", "ReplicaSet")
    assert made["metadata"]["generateName"] == "rs-"
    assert made["metadata"]["labels"] == {"app": "web", "pod-template-hash": "rs"}
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "rs"
    assert "finalizers" not in made["metadata"]
