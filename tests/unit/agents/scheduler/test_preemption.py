"""Making room for more important pods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.scheduler.budgets import Budget, read_budget
from agents.scheduler.decide import decide
from agents.scheduler.decision import Chosen, Refused
from agents.scheduler.preemption import NoPreemption, Preempt, Preemption, preempt
from agents.scheduler.snapshot import Snapshot
from tests.unit.agents.scheduler.build import (
    HOSTNAME,
    ZONE,
    cluster,
    info,
    node,
    pod,
    pod_affinity,
    pod_term,
    refused,
    spread,
)
from tests.unit.agents.scheduler.test_snapshot import facts

Obj = dict[str, Any]
WEB = {"app": "web"}


def make_room(snapshot: Snapshot, obj: Obj, budgets: Sequence[Budget] = ()) -> Preemption:
    one = info(obj)
    decision = decide(snapshot, one)
    assert isinstance(decision, Refused)
    return preempt(snapshot, one, decision, budgets)


def victims(snapshot: Snapshot, obj: Obj, budgets: Sequence[Budget] = ()) -> tuple[str, set[str]]:
    room = make_room(snapshot, obj, budgets)
    assert isinstance(room, Preempt), room
    return room.node, {v.key.name for v in room.victims}


def why_not(snapshot: Snapshot, obj: Obj) -> str:
    room = make_room(snapshot, obj)
    assert isinstance(room, NoPreemption), room
    return room.message


def budget(labels: Obj, *, allowed: int, going: Sequence[str] = ()) -> Budget:
    return read_budget(
        {
            "metadata": {"namespace": "default", "name": "b"},
            "spec": {"selector": {"matchLabels": labels}},
            "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(going, "2026-01-01T00:00:00Z")},
        }
    )


def test_only_as_many_go_as_must_and_the_least_important_first() -> None:
    snapshot = cluster(
        node("a", cpu="4"),
        pod("low", on="a", cpu="1", priority=1),
        pod("mid", on="a", cpu="1", priority=5),
        pod("high", on="a", cpu="2", priority=50),
    )
    before = facts(snapshot)
    assert victims(snapshot, pod(cpu="1", priority=10)) == ("a", {"low"})
    assert victims(snapshot, pod(cpu="2", priority=10)) == ("a", {"low", "mid"})
    assert facts(snapshot) == before


def test_of_equals_the_younger_goes() -> None:
    snapshot = cluster(
        node("a", cpu="2"),
        pod("old", on="a", cpu="1", started="2026-01-01T00:00:00Z"),
        pod("young", on="a", cpu="1", started="2026-01-02T00:00:00Z"),
    )
    assert victims(snapshot, pod(cpu="1", priority=10)) == ("a", {"young"})


def test_equally_important_pods_are_left_alone() -> None:
    snapshot = cluster(node("a", cpu="1"), pod(on="a", cpu="1", priority=10))
    assert why_not(snapshot, pod(cpu="1", priority=10)) == (
        "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    )


def test_where_removing_pods_cannot_help_nobody_goes() -> None:
    snapshot = cluster(
        node("a", cpu="1"), pod(on="a", cpu="1"), node("b", taints=[{"key": "t", "effect": "NoExecute"}])
    )
    assert why_not(snapshot, pod(cpu="2", priority=10)) == (
        "0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )


def test_where_not_all_is_taken_by_lesser_pods_it_says_what_is_missing() -> None:
    snapshot = cluster(
        node("a", cpu="4"), pod(on="a", cpu="3", priority=100), pod(on="a", cpu="1", priority=1), node("b", cpu="1")
    )
    assert why_not(snapshot, pod(cpu="2", priority=10)) == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling."
    )


def test_who_may_not_preempt_does_not() -> None:
    snapshot = cluster(node("a", cpu="1"), pod(on="a", cpu="1"))
    assert why_not(snapshot, pod(cpu="1", priority=10, preemptionPolicy="Never")) == (
        "not eligible due to preemptionPolicy=Never."
    )


def test_victims_that_are_still_going_are_waited_for() -> None:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    going = pod(on="a", cpu="1", terminating=True, status={"conditions": [condition]})
    snapshot = cluster(node("a", cpu="1"), going, node("b", cpu="1"), pod(on="b", cpu="1"))
    waiting = pod(cpu="1", priority=10, status={"nominatedNodeName": "a"})
    assert why_not(snapshot, waiting) == "not eligible due to a terminating pod on the nominated node."


def test_the_node_with_the_least_harm_is_picked() -> None:
    snapshot = cluster(
        node("a", cpu="2"),
        pod(on="a", cpu="2", priority=9),
        node("b", cpu="2"),
        pod(on="b", cpu="1", priority=1),
        pod(on="b", cpu="1", priority=1),
        node("c", cpu="2"),
        pod("c1", on="c", cpu="2", priority=1),
    )
    assert victims(snapshot, pod(cpu="2", priority=10)) == ("c", {"c1"})


def test_of_equal_nodes_the_one_whose_victims_are_youngest_is_picked() -> None:
    snapshot = cluster(
        node("a", cpu="1"),
        pod(on="a", cpu="1", started="2026-01-01T00:00:00Z"),
        node("b", cpu="1"),
        pod("young", on="b", cpu="1", started="2026-01-03T00:00:00Z"),
        node("c", cpu="1"),
        pod(on="c", cpu="1", started="2026-01-02T00:00:00Z"),
    )
    assert victims(snapshot, pod(cpu="1", priority=10)) == ("b", {"young"})


def test_disruption_budgets_are_kept_where_there_is_a_choice() -> None:
    snapshot = cluster(
        node("a", cpu="1"),
        pod(on="a", cpu="1", labels=WEB),
        node("b", cpu="1"),
        pod("b1", on="b", cpu="1", labels={"app": "db"}, priority=5),
    )
    assert victims(snapshot, pod(cpu="1", priority=10), [budget(WEB, allowed=0)]) == ("b", {"b1"})
    assert victims(snapshot, pod(cpu="1", priority=10), [budget(WEB, allowed=1)])[0] == "a"


def test_without_a_choice_budgets_do_not_protect() -> None:
    snapshot = cluster(node("a", cpu="1"), pod("a1", on="a", cpu="1", labels=WEB))
    assert victims(snapshot, pod(cpu="1", priority=10), [budget(WEB, allowed=0)]) == ("a", {"a1"})


def test_on_one_node_pods_of_a_budget_stay_if_others_can_go() -> None:
    snapshot = cluster(
        node("a", cpu="2"), pod("kept", on="a", cpu="1", labels=WEB), pod("other", on="a", cpu="1", priority=5)
    )
    assert victims(snapshot, pod(cpu="1", priority=10), [budget(WEB, allowed=0)]) == ("a", {"other"})
    counted = [budget(WEB, allowed=0, going=["kept"])]
    assert victims(snapshot, pod(cpu="1", priority=10), counted) == ("a", {"kept"})


def test_anti_affinity_and_spread_are_made_room_for_too() -> None:
    alone = pod_affinity("podAntiAffinity", required=[pod_term(WEB)])
    snapshot = cluster(node("a"), pod("near", on="a", labels=WEB), pod("far", on="a"))
    assert victims(snapshot, pod(affinity=alone, priority=10)) == ("a", {"near"})
    snapshot = cluster(node("a", zone="1"), node("b", zone="2", cpu="0"), pod("crowd", on="a", labels=WEB))
    rule = spread(ZONE, WEB)
    assert victims(snapshot, pod(labels=WEB, cpu="1", topologySpreadConstraints=[rule], priority=1)) == ("a", {"crowd"})


def test_a_promised_node_counts_against_less_important_pods() -> None:
    snapshot = cluster(node("a", cpu="2"))
    promised = info(pod("promised", cpu="2", priority=10, status={"nominatedNodeName": "a"}))
    others = [(promised, "a")]
    assert isinstance(decide(snapshot, info(pod(cpu="1", priority=1)), nominated=others), Refused)
    assert isinstance(decide(snapshot, info(pod(cpu="1", priority=11)), nominated=others), Chosen)
    assert decide(snapshot, promised, nominated=others) == Chosen("a")


def test_a_promised_node_is_taken_even_when_another_is_better() -> None:
    snapshot = cluster(node("a"), pod(on="a", cpu="2"), node("b"))
    assert decide(snapshot, info(pod(cpu="1", status={"nominatedNodeName": "a"}))) == Chosen("a")


def test_a_pod_must_not_count_on_one_that_was_only_promised() -> None:
    snapshot = cluster(node("a"))
    promised = info(pod("promised", labels=WEB, priority=10))
    near = info(pod(affinity=pod_affinity(required=[pod_term(WEB, HOSTNAME)])))
    assert isinstance(decide(snapshot, near, nominated=[(promised, "a")]), Refused)
    assert refused(snapshot, pod(affinity=pod_affinity(required=[pod_term(WEB)]))).resolvable == ()
