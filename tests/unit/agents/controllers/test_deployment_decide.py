"""Rollouts: never more asked for than replicas + maxSurge, never fewer available than replicas - maxUnavailable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.controllers import deployment_decide as decide
from agents.controllers import revisions
from tests.unit.agents.controllers.objects import deployment, replica_set, template

Obj = dict[str, Any]


def sizes(scales: list[decide.Scale]) -> dict[str, int]:
    return {s.replica_set["metadata"]["name"]: s.replicas for s in scales}


def test_percentages_round_up_for_surge_and_down_for_unavailable() -> None:
    assert decide.max_surge(deployment(3)) == 1
    assert decide.max_unavailable(deployment(3)) == 0
    assert decide.max_surge(deployment(10, surge="55%")) == 6
    assert decide.max_unavailable(deployment(10, unavailable="55%")) == 5


def test_a_rollout_can_always_move() -> None:
    stuck = deployment(1, surge=0, unavailable="1%")
    assert decide.max_unavailable(stuck) == 1


def test_never_more_than_all_are_unavailable() -> None:
    assert decide.max_unavailable(deployment(2, unavailable=5)) == 2
    assert decide.max_unavailable(deployment(0, unavailable=5)) == 0


def test_recreate_knows_no_surge() -> None:
    recreate = deployment(4, strategy={"type": "Recreate"})
    assert (decide.max_surge(recreate), decide.max_unavailable(recreate)) == (0, 0)
    assert decide.new_set_size(recreate, [replica_set("old", 0)], 0) == 4


@pytest.mark.parametrize(
    ("olds", "current", "size"), [(10, 0, 3), (10, 3, 3), (8, 3, 5), (0, 3, 10), (0, 12, 10), (14, 4, 4)]
)
def test_the_new_set_grows_into_the_room_that_there_is(olds: int, current: int, size: int) -> None:
    d = deployment(10, surge=3, unavailable=2)
    assert decide.new_set_size(d, [replica_set("old", olds)], current) == size


def test_pods_that_are_not_well_go_first() -> None:
    d = deployment(10, surge=3, unavailable=2)
    sick, well = replica_set("sick", 5, available=0, age=1), replica_set("well", 8, age=0)
    new = replica_set("new", 0, image="a", age=2)
    assert sizes(decide.scale_down_olds(d, new, [well, sick])) == {"sick": 0}


def test_old_pods_stay_while_the_new_ones_do_not_get_ready() -> None:
    d = deployment(10, surge=3, unavailable=2)
    assert decide.scale_down_olds(d, replica_set("new", 5, available=0, image="a"), [replica_set("old", 8)]) == []


def test_a_set_that_has_not_reported_since_it_shrank_counts_no_more_than_its_size() -> None:
    d = deployment(10, surge=0, unavailable=2, image="old")
    back = replica_set("back", 6, available=10, image="old")
    assert decide.scale_down_olds(d, back, [replica_set("tried", 2, available=2, image="b")]) == []


def test_a_change_of_size_is_told_from_a_step_of_a_rollout() -> None:
    d = deployment(5)
    assert not decide.is_scaling_event(d, [replica_set("a", 2, annotations={revisions.DESIRED: "5"})])
    assert decide.is_scaling_event(d, [replica_set("a", 2, annotations={revisions.DESIRED: "4"})])
    assert not decide.is_scaling_event(d, [replica_set("a", 0, annotations={revisions.DESIRED: "4"})])
    assert not decide.is_scaling_event(d, [replica_set("adopted", 2)])


def test_the_only_set_in_use_takes_the_whole_size() -> None:
    sets = [replica_set("old", 4), replica_set("new", 0, image="a", age=5)]
    assert sizes(decide.scale(deployment(7), sets)) == {"old": 7}


def test_from_nothing_the_new_set_grows_else_the_latest() -> None:
    d = deployment(3)
    olds = [replica_set("older", 0, age=1), replica_set("latest", 0, age=2)]
    assert sizes(decide.scale(d, olds)) == {"latest": 3}
    assert sizes(decide.scale(d, [*olds, replica_set("new", 0, image="a", age=0)])) == {"new": 3}
    assert decide.scale(d, []) == []


def test_old_sets_are_not_needed_when_the_new_one_is_complete() -> None:
    new = replica_set("new", 3, image="a", annotations={revisions.DESIRED: "3"})
    assert sizes(decide.scale(deployment(3), [new, replica_set("adopted", 2)])) == {"new": 3, "adopted": 0}


def test_recreate_scales_nothing_in_the_middle_of_a_rollout_but_notes_the_size() -> None:
    d = deployment(5, strategy={"type": "Recreate"})
    sets = [replica_set("old", 2), replica_set("new", 1, image="a")]
    assert sizes(decide.scale(d, sets)) == {"old": 2, "new": 1}


def in_rollout(old: int, new: int, planned_for: int) -> list[Obj]:
    made = [replica_set("old", old, age=0), replica_set("new", new, available=0, age=5, image="a")]
    for rs in made:
        rs["metadata"]["annotations"] = {revisions.DESIRED: "10", revisions.MAX_REPLICAS: str(planned_for)}
    return made


@pytest.mark.parametrize(
    ("replicas", "old", "new", "expected"),
    [
        (20, 8, 4, {"old": 15, "new": 7}),
        (5, 8, 4, {"old": 5, "new": 2}),
        (0, 8, 4, {"old": 0, "new": 0}),
        (10, 8, 4, {"old": 8, "new": 4}),
    ],
)
def test_scaling_in_the_middle_of_a_rollout_is_shared_out(
    replicas: int, old: int, new: int, expected: dict[str, int]
) -> None:
    scaled = sizes(decide.scale(deployment(replicas, surge=2, unavailable=0), in_rollout(old, new, 12)))
    assert scaled == expected


@given(replicas=st.integers(0, 60), old=st.integers(1, 40), new=st.integers(1, 40), surge=st.integers(0, 10))
def test_what_is_shared_out_adds_up(replicas: int, old: int, new: int, surge: int) -> None:
    d = deployment(replicas, surge=surge, unavailable=1)
    made = sizes(decide.scale(d, in_rollout(old, new, old + new)))
    assert sum(made.values()) == (replicas + surge if replicas else 0)
    assert all(size >= 0 for size in made.values())


def test_history_keeps_the_newest_sets() -> None:
    d = deployment(1, revisionHistoryLimit=1)
    olds = [replica_set(f"web-{n}", 0, age=n, annotations={revisions.REVISION: str(n + 1)}) for n in range(3)]
    assert [rs["metadata"]["name"] for rs in decide.history_to_remove(d, olds)] == ["web-0", "web-1"]


def test_history_spares_sets_that_are_in_use_and_takes_no_younger_one_for_them() -> None:
    d = deployment(1, revisionHistoryLimit=1)
    olds = [replica_set(f"web-{n}", 0, age=n, annotations={revisions.REVISION: str(n + 1)}) for n in range(3)]
    olds[0]["status"]["replicas"] = 1
    assert [rs["metadata"]["name"] for rs in decide.history_to_remove(d, olds)] == ["web-1"]
    olds[1]["metadata"]["generation"] = 2
    assert decide.history_to_remove(d, olds) == []


def test_without_a_limit_all_history_is_kept() -> None:
    assert decide.history_to_remove(deployment(1), [replica_set(str(n), 0) for n in range(50)]) == []


@dataclass
class Sim:
    """ReplicaSets that act late and report late, pods that get ready when they like. Nothing breaks by itself."""

    d: Obj
    sets: list[Obj] = field(default_factory=list)
    pods: dict[str, list[bool]] = field(default_factory=dict)

    def find(self, number: int) -> Obj:
        return self.sets[number % len(self.sets)]

    def roll(self) -> None:
        """One step, as the controller makes it."""
        new = revisions.find_new(self.d, self.sets)
        olds = [rs for rs in self.sets if rs is not new]
        if new is None:
            name = f"rs-{len(self.sets)}"
            size = decide.new_set_size(self.d, olds, 0)
            image = self.d["spec"]["template"]["spec"]["containers"][0]["image"]
            made = replica_set(name, size, image=image, available=0, age=len(self.sets))
            self.sets.append(made)
            self.pods[name] = []
            return
        size = decide.new_set_size(self.d, olds, decide.wanted(new))
        if size != decide.wanted(new):
            new["spec"]["replicas"] = size
            return
        for scale in decide.scale_down_olds(self.d, new, olds):
            scale.replica_set["spec"]["replicas"] = scale.replicas

    def act(self, rs: Obj) -> None:
        """The ReplicaSet controller: the pods that are not ready go first."""
        pods = sorted(self.pods[rs["metadata"]["name"]])
        surplus = len(pods) - decide.wanted(rs)
        self.pods[rs["metadata"]["name"]] = pods[surplus:] if surplus > 0 else pods + [False] * -surplus

    def report(self, rs: Obj) -> None:
        pods = self.pods[rs["metadata"]["name"]]
        rs["status"] |= {"replicas": len(pods), "availableReplicas": sum(pods), "readyReplicas": sum(pods)}

    def get_ready(self, rs: Obj) -> None:
        pods = self.pods[rs["metadata"]["name"]]
        if False in pods:
            pods[pods.index(False)] = True

    @property
    def available(self) -> int:
        return sum(sum(pods) for pods in self.pods.values())

    @property
    def asked_for(self) -> int:
        return sum(decide.wanted(rs) for rs in self.sets)

    def is_rolled_out(self) -> bool:
        new = revisions.find_new(self.d, self.sets)
        if new is None:
            return False
        replicas = self.d["spec"]["replicas"]
        return self.pods[new["metadata"]["name"]] == [True] * replicas and self.asked_for == replicas


STEPS = st.tuples(st.sampled_from(["roll", "act", "report", "ready", "retarget"]), st.integers(0, 7))


@settings(max_examples=300, deadline=None)
@given(
    replicas=st.integers(0, 9),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    steps=st.lists(STEPS, max_size=60),
)
def test_whatever_the_order_of_events_a_rolling_update_stays_within_its_bounds_and_ends(
    replicas: int, surge: int, unavailable: int, steps: list[tuple[str, int]]
) -> None:
    sim = Sim(deployment(replicas, surge=surge, unavailable=unavailable, image="v0"))
    sim.sets.append(replica_set("rs-0", replicas, image="v0"))
    sim.pods["rs-0"] = [True] * replicas
    floor, most = replicas - decide.max_unavailable(sim.d), replicas + decide.max_surge(sim.d)
    for step, number in [("retarget", 1), *steps]:
        match step:
            case "roll":
                sim.roll()
            case "act":
                sim.act(sim.find(number))
            case "report":
                sim.report(sim.find(number))
            case "ready":
                sim.get_ready(sim.find(number))
            case "retarget":
                sim.d["spec"]["template"] = template(f"v{number % 4}")
        assert sim.asked_for <= most, step
        assert sim.available >= floor, step
    for _ in range(40 * (replicas + 2)):
        if sim.is_rolled_out():
            return
        sim.roll()
        for rs in sim.sets:
            sim.act(rs)
            sim.get_ready(rs)
            sim.report(rs)
        assert sim.asked_for <= most
        assert sim.available >= floor
    pytest.fail("the rollout does not end")
