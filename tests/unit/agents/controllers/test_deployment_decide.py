"""Rollouts: never more than replicas + maxSurge, never fewer available than replicas - maxUnavailable."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.controllers import deployment_decide as decide

Obj = dict[str, Any]


def deployment(replicas: int, *, surge: Any = "25%", unavailable: Any = "25%", image: str = "a") -> Obj:
    labels = {"app": "web"}
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
            },
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
    }


def replica_set(name: str, size: int, *, ready: int | None = None, image: str = "old", age: int = 0) -> Obj:
    count = size if ready is None else ready
    return {
        "metadata": {"name": name, "uid": name, "creationTimestamp": f"2026-01-01T00:00:{age:02}Z", "annotations": {}},
        "spec": {
            "replicas": size,
            "template": {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "c", "image": image}]}},
        },
        "status": {"replicas": size, "readyReplicas": count, "availableReplicas": count},
    }


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    assert decide.max_surge(deployment(3)) == 1
    assert decide.max_unavailable(deployment(3)) == 0


def test_a_rollout_can_always_move() -> None:
    stuck = deployment(1, surge=0, unavailable="1%")
    assert decide.max_unavailable(stuck) == 1


def test_the_hash_follows_the_template_and_the_collision_count() -> None:
    template = deployment(1)["spec"]["template"]
    other = deployment(1, image="b")["spec"]["template"]
    assert decide.template_hash(template, 0) == decide.template_hash(template, 0)
    assert decide.template_hash(template, 0) != decide.template_hash(other, 0)
    assert decide.template_hash(template, 0) != decide.template_hash(template, 1)


def test_the_set_of_a_template_is_found_again_whatever_its_hash_label() -> None:
    d = deployment(2)
    rs = decide.new_set(d, olds=[], replicas=2)
    rs["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
    assert decide.find_new(d, [rs]) is rs
    assert decide.find_new(deployment(2, image="b"), [rs]) is None


def test_a_rollback_takes_the_next_revision_and_keeps_the_history() -> None:
    d = deployment(1)
    rs = replica_set("web-a", 0)
    rs["metadata"]["annotations"] = {decide.REVISION: "1"}
    made = decide.set_annotations(d, rs, revision=3)
    assert made[decide.REVISION] == "3"
    assert made[decide.REVISION_HISTORY] == "1"


def test_scaling_in_the_middle_of_a_rollout_is_shared_out() -> None:
    d = deployment(20, surge=2, unavailable=0)
    olds = replica_set("old", 8, age=0)
    new = replica_set("new", 4, age=5, image="a")
    for rs in (olds, new):
        rs["metadata"]["annotations"] = {decide.DESIRED: "10", decide.MAX_REPLICAS: "12"}
    sizes = {s.replica_set["metadata"]["name"]: s.replicas for s in decide.scale_proportionally(d, [olds, new])}
    assert sum(sizes.values()) == 22
    assert sizes["old"] > sizes["new"] > 4


@given(
    replicas=st.integers(0, 30),
    surge=st.integers(0, 10),
    unavailable=st.integers(0, 10),
    old_size=st.integers(0, 30),
    new_size=st.integers(0, 30),
    data=st.data(),
)
def test_no_step_breaks_the_bounds(
    replicas: int, surge: int, unavailable: int, old_size: int, new_size: int, data: st.DataObject
) -> None:
    d = deployment(replicas, surge=surge, unavailable=unavailable)
    old = replica_set("old", old_size, ready=data.draw(st.integers(0, old_size)))
    new = replica_set("new", new_size, ready=data.draw(st.integers(0, new_size)), image="a", age=5)
    most = replicas + decide.max_surge(d)
    size = decide.new_set_size(d, [old], new_size)
    if size > new_size:
        assert size + old_size <= most
        assert size <= replicas
    available_before = new["status"]["availableReplicas"] + old["status"]["availableReplicas"]
    floor = replicas - decide.max_unavailable(d)
    for scale in decide.scale_down_olds(d, new, [old]):
        assert 0 <= scale.replicas < old_size
        available_after = new["status"]["availableReplicas"] + min(scale.replicas, old["status"]["availableReplicas"])
        assert available_after >= min(floor, available_before)


def test_history_keeps_the_newest_sets() -> None:
    d = deployment(1)
    d["spec"]["revisionHistoryLimit"] = 1
    olds = [replica_set(f"web-{n}", 0, age=n) for n in range(3)]
    for n, rs in enumerate(olds):
        rs["metadata"]["annotations"] = {decide.REVISION: str(n + 1)}
    assert [rs["metadata"]["name"] for rs in decide.history_to_remove(d, olds)] == ["web-0", "web-1"]
