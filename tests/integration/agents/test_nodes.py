"""Nodes that fall silent, come back, or go, and what becomes of their pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from agents.client.resources import DEPLOYMENTS, EVENTS, NODES, PODS
from tests.integration.agents.fleet import is_ready
from tests.integration.agents.plane import Plane, Servers, deployment, plane_of, pod_spec

Obj = dict[str, Any]

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"


@pytest_asyncio.fixture
async def nodes(servers: Servers, quiet_end: None) -> AsyncIterator[Plane]:
    """Controllers that lose patience soon, and three nodes."""
    async with (
        plane_of(servers, nodes=3) as made,
        servers.controllers(node_monitor_grace_seconds=3.0, orphan_quarantine_seconds=0.5),
    ):
        yield made


def impatient(name: str, replicas: int) -> Obj:
    """Its pods tolerate a lost node for a second only."""
    tolerations = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for key in (UNREACHABLE, NOT_READY)
    ]
    made = deployment(name, replicas)
    made["spec"]["template"]["spec"] = {**pod_spec(), "tolerations": tolerations}
    return made


async def taints(plane: Plane, node: str) -> set[tuple[str, str]]:
    found = await plane.get(NODES, node) or {"spec": {}}
    return {(t["key"], t["effect"]) for t in found["spec"].get("taints", ())}


async def until_tainted(plane: Plane, node: str, *wanted: tuple[str, str]) -> None:
    async def tainted() -> bool:
        return await taints(plane, node) == set(wanted)

    await plane.until(tainted, what=f"taints of {node}: {wanted}")


async def test_a_silent_node_is_unknown_its_pods_move_and_it_recovers(nodes: Plane) -> None:
    await nodes.create(DEPLOYMENTS, impatient("web", 3))
    await nodes.until_rolled_out("web")
    lost = nodes.fleet.nodes[0]
    before = [p for p in await nodes.list(PODS) if p["spec"]["nodeName"] == lost]
    assert before
    nodes.fleet.silent.add(lost)
    await until_tainted(nodes, lost, (UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute"))
    node = await nodes.get(NODES, lost) or {}
    [ready] = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")

    async def moved() -> bool:
        active = await nodes.active_pods()
        return sum(is_ready(p) for p in active) == 3 and lost not in {p["spec"].get("nodeName") for p in active}

    await nodes.until(moved, what="three ready pods elsewhere")
    left = [p for p in await nodes.list(PODS) if p["spec"].get("nodeName") == lost]
    assert {p["metadata"]["uid"] for p in left} == {p["metadata"]["uid"] for p in before}
    for pod in left:
        assert not is_ready(pod)
        [target] = [c for c in pod["status"]["conditions"] if c["type"] == "DisruptionTarget"]
        assert target["reason"] == "DeletionByTaintManager"
    await nodes.fleet.wake(lost)
    await until_tainted(nodes, lost)

    async def ended() -> bool:
        return len(await nodes.list(PODS)) == 3

    await nodes.until(ended, what="the evicted pods have ended")
    reasons = {e["reason"] for e in await nodes.list(EVENTS)}
    assert {"NodeNotReady", "TaintManagerEviction"} <= reasons


async def test_a_node_that_says_it_is_not_ready_is_tainted_and_patient_pods_stay(nodes: Plane) -> None:
    await nodes.create(DEPLOYMENTS, deployment("web", 1))
    await nodes.until_rolled_out("web")
    [pod] = await nodes.list(PODS)
    place = pod["spec"]["nodeName"]
    await nodes.fleet.post_status(place, ready="False")
    await until_tainted(nodes, place, (NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute"))
    await nodes.fleet.post_status(place, ready="True")
    await until_tainted(nodes, place)
    assert [p["metadata"]["uid"] for p in await nodes.active_pods()] == [pod["metadata"]["uid"]]


async def test_a_cordoned_node_is_tainted(nodes: Plane) -> None:
    name = nodes.fleet.nodes[1]
    await nodes.patch(NODES, name, {"spec": {"unschedulable": True}})
    await until_tainted(nodes, name, ("node.kubernetes.io/unschedulable", "NoSchedule"))
    await nodes.patch(NODES, name, {"spec": {"unschedulable": None}})
    await until_tainted(nodes, name)


async def test_when_no_node_is_heard_of_nobody_is_evicted(nodes: Plane) -> None:
    await nodes.create(DEPLOYMENTS, deployment("web", 2))
    await nodes.until_rolled_out("web")
    before = {p["metadata"]["uid"] for p in await nodes.list(PODS)}
    nodes.fleet.silent.update(nodes.fleet.nodes)
    for name in nodes.fleet.nodes:
        await until_tainted(nodes, name, (UNREACHABLE, "NoSchedule"))
    assert {p["metadata"]["uid"] for p in await nodes.active_pods()} == before
    for name in nodes.fleet.nodes:
        await nodes.fleet.wake(name)
        await until_tainted(nodes, name)


async def test_pods_of_a_node_that_is_gone_are_removed(nodes: Plane) -> None:
    await nodes.create(DEPLOYMENTS, deployment("web", 3))
    await nodes.until_rolled_out("web")
    gone = nodes.fleet.nodes[2]
    lost = [p for p in await nodes.list(PODS) if p["spec"]["nodeName"] == gone]
    nodes.fleet.silent.add(gone)
    await nodes.delete(NODES, gone)
    for pod in lost:
        await nodes.until_gone(PODS, pod["metadata"]["name"])

    async def replaced() -> bool:
        pods = await nodes.list(PODS)
        return [is_ready(p) and p["spec"].get("nodeName") != gone for p in pods] == [True] * 3

    await nodes.until(replaced, what="three ready pods elsewhere")


async def test_a_taint_of_the_users_evicts_who_does_not_tolerate_it(nodes: Plane) -> None:
    await nodes.create(DEPLOYMENTS, deployment("web", 3))
    await nodes.until_rolled_out("web")
    name = nodes.fleet.nodes[0]
    await nodes.patch(NODES, name, {"spec": {"taints": [{"key": "mine", "effect": "NoExecute"}]}})

    async def moved() -> bool:
        pods = await nodes.list(PODS)
        return len(pods) == 3 and name not in {p["spec"].get("nodeName") for p in pods}

    await nodes.until(moved, what="the pods moved")
    assert await taints(nodes, name) == {("mine", "NoExecute")}
