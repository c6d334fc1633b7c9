"""The scheduler around its decisions, on an API server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.client.resources import NAMESPACES, REPLICASETS
from agents.client.rest import ApiUnavailable, MayNotWrite
from agents.client.runtime import Key
from agents.scheduler import scheduler as module
from agents.scheduler.budgets import PDBS
from apiserver.api.status import Conflict, Forbidden
from tests.conftest import eventually
from tests.unit.agents.scheduler.build import node, pod, pod_affinity, pod_term
from tests.unit.agents.scheduler.fake_api import Plane, once

Obj = dict[str, Any]
WEB = {"app": "web"}


async def test_a_pod_is_bound_and_its_owner_told() -> None:
    plane = Plane()
    plane.node(node("a"))
    plane.api.put(pod("p", cpu="1"))
    async with plane.running():
        await eventually(lambda: plane.recorder.of("p", "Scheduled") == ["Successfully assigned default/p to a"])
    assert plane.api.node_of("p") == "a"


async def test_placements_count_before_their_changes_are_heard() -> None:
    plane = Plane()
    plane.node(node("a", cpu="2"))
    for name in "pqr":
        plane.api.put(pod(name, cpu="1"))
    await asyncio.sleep(0)
    plane.hold_back()
    async with plane.running():
        await eventually(lambda: len(plane.recorder.of("r", "FailedScheduling")) > 0)
    assert [name for name, _ in plane.api.bindings] == ["p", "q"]


async def test_a_refused_pod_says_why_and_is_placed_when_a_node_comes() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.put(pod("p", cpu="2"))
    told = (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: "
        "1 Preemption is not helpful for scheduling."
    )
    async with plane.running():
        await eventually(lambda: plane.api.condition("p").get("message") == told)
        assert plane.api.condition("p")["reason"] == "Unschedulable"
        assert plane.recorder.of("p", "FailedScheduling") == [told]
        plane.node(node("b", cpu="2"))
        await eventually(lambda: plane.api.node_of("p") == "b")


async def test_without_any_node_pods_wait_for_one() -> None:
    plane = Plane()
    plane.api.put(pod("p"))
    async with plane.running():
        await eventually(lambda: plane.recorder.of("p", "FailedScheduling") == ["no nodes available to schedule pods"])
        plane.node(node("a"))
        await eventually(lambda: plane.api.node_of("p") == "a")


async def test_a_pod_that_leaves_makes_room() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.put(pod("old", cpu="1", on="a"))
    plane.api.put(pod("new", cpu="1"))
    async with plane.running():
        await eventually(lambda: bool(plane.api.condition("new")))
        plane.api.put({**plane.api.pod("old"), "status": {"phase": "Succeeded"}})
        await eventually(lambda: plane.api.node_of("new") == "a")


async def test_a_pod_waits_for_the_one_it_wants_to_be_near() -> None:
    plane = Plane()
    plane.node(node("a"))
    plane.node(node("b"))
    plane.api.put(pod("follower", affinity=pod_affinity(required=[pod_term(WEB)])))
    async with plane.running():
        await eventually(lambda: bool(plane.api.condition("follower")))
        plane.api.put(pod("leader", labels=WEB))
        await eventually(lambda: plane.api.node_of("follower") != "")
    assert plane.api.node_of("follower") == plane.api.node_of("leader")


async def test_gates_other_schedulers_and_deletion_are_respected() -> None:
    plane = Plane()
    plane.node(node("a"))
    gated = plane.api.put(pod("gated", schedulingGates=[{"name": "g"}]))
    plane.api.put(pod("others", schedulerName="mine"))
    plane.api.put(pod("leaving", terminating=True))
    plane.api.put(pod("last"))
    async with plane.running():
        await eventually(lambda: plane.api.node_of("last") == "a")
        assert [plane.api.node_of(n) for n in ("gated", "others", "leaving")] == ["", "", ""]
        gated["spec"].pop("schedulingGates")
        plane.api.put(gated)
        await eventually(lambda: plane.api.node_of("gated") == "a")


async def test_important_pods_go_first() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    for name, priority in (("low", 0), ("high", 10), ("mid", 5)):
        plane.api.put(pod(name, cpu="1", priority=priority, preemptionPolicy="Never"))
    await asyncio.sleep(0)
    async with plane.running():
        await eventually(lambda: all(plane.api.condition(n) for n in ("low", "mid")))
    assert plane.api.bindings == [("high", "a")]


@pytest.mark.parametrize("error", [Conflict("changed"), ApiUnavailable("gone"), MayNotWrite("not the leader")])
async def test_a_binding_that_failed_is_forgotten_and_tried_again(error: Any) -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.refuse = once(error, command="bind")
    plane.api.put(pod("p", cpu="1"))
    async with plane.running():
        await eventually(lambda: plane.api.node_of("p") == "a")
    assert plane.api.bindings == [("p", "a")]


async def test_a_binding_whose_answer_was_lost_is_asked_about_and_stays_counted() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.lose = once(ApiUnavailable("the connection was cut"), command="bind")
    plane.api.put(pod("p", cpu="1"))
    plane.api.put(pod("q", cpu="1"))
    await asyncio.sleep(0)
    plane.hold_back()
    async with plane.running():
        await eventually(lambda: plane.recorder.of("p", "Scheduled") != [])
        await eventually(lambda: plane.recorder.of("q", "FailedScheduling") != [])
    assert plane.api.bindings == [("p", "a")]


async def test_a_pod_that_somebody_else_bound_is_left_alone() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.node(node("b", cpu="1"))
    waiting = plane.api.put(pod("p", cpu="1"))
    await asyncio.sleep(0)
    plane.hold_back()
    plane.api.put({**waiting, "spec": {**waiting["spec"], "nodeName": "b"}})
    async with plane.running():
        await asyncio.sleep(0.05)
        plane.let_through()
        plane.api.put(pod("q", cpu="1"))
        await eventually(lambda: plane.api.node_of("q") == "a")
    assert plane.api.node_of("p") == "b"
    assert plane.api.bindings == [("q", "a")]


async def test_a_binding_that_is_forbidden_is_told() -> None:
    plane = Plane()
    plane.node(node("a"))
    plane.api.refuse = once(Forbidden("not you"), command="bind")
    plane.api.put(pod("p"))
    async with plane.running():
        await eventually(lambda: plane.api.condition("p").get("reason") == "SchedulerError")
        assert plane.api.condition("p")["message"] == "binding rejected: not you"
        await eventually(lambda: plane.api.node_of("p") == "a")


async def test_a_bug_about_one_pod_does_not_keep_the_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = module.decide

    def buggy(snapshot: Any, one: Any, **more: Any) -> Any:
        if one.key.name == "strange":
            raise ZeroDivisionError("oh")
        return decide(snapshot, one, **more)

    monkeypatch.setattr(module, "decide", buggy)
    plane = Plane()
    plane.node(node("a"))
    plane.api.put(pod("strange", priority=10))
    plane.api.put(pod("plain"))
    async with plane.running():
        await eventually(lambda: plane.api.node_of("plain") == "a")
        await eventually(lambda: plane.api.condition("strange").get("message") == "ZeroDivisionError: oh")


async def test_pods_that_are_alike_are_decided_about_once_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide, asked = module.decide, []

    def counting(snapshot: Any, one: Any, **more: Any) -> Any:
        asked.append(one.key.name)
        return decide(snapshot, one, **more)

    monkeypatch.setattr(module, "decide", counting)
    plane = Plane(bindings=30)
    plane.node(node("a", cpu="1"))
    for i in range(20):
        plane.api.put(pod(f"p{i}", cpu="2"))
    plane.api.put(pod("important", cpu="2", priority=1))
    await asyncio.sleep(0)
    async with plane.running():
        await eventually(lambda: all(plane.api.condition(f"p{i}") for i in range(20)))
        assert asked == ["important", "p0"]
        plane.node(node("b", cpu="3"))
        await eventually(lambda: len(plane.api.bindings) == 1)
        await eventually(lambda: len(plane.recorder.of("p19", "FailedScheduling")) == 2)
    assert plane.api.bindings == [("important", "b")]


async def test_commands_go_side_by_side_up_to_a_limit() -> None:
    plane = Plane(bindings=3)
    plane.node(node("a"))
    for i in range(20):
        plane.api.put(pod(f"p{i}", cpu="10m"))
    plane.api.gate.clear()
    async with plane.running():
        await eventually(lambda: plane.api.under_way == 3)
        plane.api.gate.set()
        await eventually(lambda: len(plane.api.bindings) == 20)
    assert plane.api.most_under_way == 3


async def test_reconcile_waits_until_the_pod_is_dealt_with() -> None:
    plane = Plane()
    plane.api.put(pod("p"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(plane.scheduler.reconcile(Key("default", "p")))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    async with plane.running():
        await asyncio.wait_for(waiting, 10)
        assert plane.api.condition("p")
    await asyncio.wait_for(plane.scheduler.reconcile(Key("default", "unknown")), 10)


async def test_reconcile_ends_when_the_pod_goes() -> None:
    plane = Plane()
    plane.api.put(pod("p"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(plane.scheduler.reconcile(Key("default", "p")))
    await asyncio.sleep(0.01)
    plane.api.remove("p")
    await asyncio.wait_for(waiting, 10)


async def test_room_is_made_for_an_important_pod() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.put(pod("low", cpu="1", on="a"))
    plane.api.put(pod("high", cpu="1", priority=10))
    async with plane.running():
        await eventually(lambda: plane.api.deleted == ["low"])
        await eventually(lambda: plane.api.pod("high")["status"].get("nominatedNodeName") == "a")
        assert plane.api.condition("high")["message"] == "0/1 nodes are available: 1 Insufficient cpu."
        assert plane.api.condition("low", "DisruptionTarget")["reason"] == "PreemptionByScheduler"
        uid = plane.api.pod("high")["metadata"]["uid"]
        await eventually(lambda: plane.recorder.of("low", "Preempted") == [f"Preempted by pod {uid} on node a"])
        # Whoever is less important must not take the room that is being made.
        plane.api.put(pod("thief", cpu="1"))
        plane.api.remove("low")
        await eventually(lambda: plane.api.node_of("high") == "a")
        await eventually(lambda: bool(plane.api.condition("thief")))
    assert plane.api.node_of("thief") == ""
    assert plane.api.deleted == ["low"]


async def test_a_victim_that_cannot_be_removed_is_tried_again() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.refuse = once(Forbidden("not now"), command="delete")
    plane.api.put(pod("low", cpu="1", on="a"))
    plane.api.put(pod("high", cpu="1", priority=10))
    async with plane.running():
        await eventually(lambda: plane.api.deleted == ["low"])


async def test_a_more_important_pod_takes_over_a_promised_node() -> None:
    plane = Plane()
    plane.node(node("a", cpu="1"))
    plane.api.put(pod("low", cpu="1", on="a"))
    plane.api.put(pod("mid", cpu="1", priority=5))
    async with plane.running():
        await eventually(lambda: plane.api.pod("mid")["status"].get("nominatedNodeName") == "a")
        plane.api.put(pod("high", cpu="1", priority=10))
        plane.api.remove("low")
        await eventually(lambda: plane.api.node_of("high") == "a")
        await eventually(lambda: not plane.api.pod("mid")["status"].get("nominatedNodeName"))
    assert plane.api.node_of("mid") == ""


async def test_workloads_namespaces_and_budgets_are_heard() -> None:
    plane = Plane()
    plane.node(node("a"))
    plane.node(node("b", cpu="3", memory="6Gi"))
    meta: Obj = {"namespace": "default", "name": "rs"}
    plane.tell(REPLICASETS, {"metadata": meta, "spec": {"selector": {"matchLabels": WEB}}})
    owner = ("apps/v1", "ReplicaSet", "rs")
    plane.tell(NAMESPACES, {"metadata": {"name": "other", "labels": {"team": "x"}}})
    budget: Obj = {"metadata": meta, "spec": {"selector": {"matchLabels": WEB}}, "status": {}}
    plane.tell(PDBS, budget)
    async with plane.running():
        for name in ("p", "q"):
            plane.api.put(pod(name, labels=WEB, owner=owner))
        await eventually(lambda: {plane.api.node_of(n) for n in ("p", "q")} == {"a", "b"})
        for ref, obj in (
            (REPLICASETS, {"metadata": meta}),
            (NAMESPACES, {"metadata": {"name": "other"}}),
            (PDBS, budget),
        ):
            plane.tell(ref, None, obj)
        plane.api.put(pod("r"))
        await eventually(lambda: plane.api.node_of("r") != "")
