"""Schedulers as processes, on a real API server: they place, explain, resume, and never contradict each other."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from typing import Any

from agents.client.resources import EVENTS, PODS
from agents.client.rest import RestClient
from tests.conftest import eventually
from tests.integration.scheduler.conftest import MakeScheduler
from tests.integration.scheduler.process import (
    NAMESPACE,
    WAIT_SECONDS,
    Witness,
    add_nodes,
    condition,
    create,
    pod,
    remove,
    settled,
)

Obj = dict[str, Any]


async def get(rest: RestClient, name: str) -> Obj:
    return await rest.get(PODS, name, namespace=NAMESPACE)


async def told(rest: RestClient, name: str, reason: str) -> list[str]:
    events = (await rest.list(EVENTS, namespace=NAMESPACE)).items
    return [e["message"] for e in events if e["involvedObject"]["name"] == name and e["reason"] == reason]


async def test_pods_are_placed_or_told_why_not(rest: RestClient, scheduler: MakeScheduler) -> None:
    taint = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    await add_nodes(rest, ["tainted"], taints=[taint])
    await add_nodes(rest, ["small"], cpu="1")
    await create(rest, pod("p"), pod("big", cpu="3"), pod("gated", schedulingGates=[{"name": "example.com/g"}]))
    scheduler()

    async def explained() -> bool:
        return condition(await get(rest, "big")).get("reason") == "Unschedulable"

    await eventually(explained, timeout_seconds=WAIT_SECONDS)
    message = (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
        "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    assert condition(await get(rest, "big"))["message"] == message

    async def events_told() -> bool:
        placed = await told(rest, "p", "Scheduled")
        return placed == [f"Successfully assigned {NAMESPACE}/p to small"] and message in await told(
            rest, "big", "FailedScheduling"
        )

    await eventually(events_told, timeout_seconds=WAIT_SECONDS)
    assert condition(await get(rest, "p"))["status"] == "True"
    await add_nodes(rest, ["large"])

    async def placed() -> bool:
        return (await get(rest, "big"))["spec"].get("nodeName") == "large"

    await eventually(placed, timeout_seconds=WAIT_SECONDS)
    assert condition(await get(rest, "gated"))["reason"] == "SchedulingGated"
    await rest.patch(PODS, "gated", {"spec": {"schedulingGates": None}}, namespace=NAMESPACE)
    await settled(rest, 3)


async def test_two_schedulers_at_once_never_bind_one_pod_twice(rest: RestClient, scheduler: MakeScheduler) -> None:
    await add_nodes(rest, [f"n{i}" for i in range(10)], cpu="100")
    for one in (scheduler("one"), scheduler("two")):
        await one.wait_ready()
    async with Witness(allocatable_milli=100_000).watching(rest) as witness:
        await create(rest, *(pod(f"p{i}") for i in range(150)))
        await settled(rest, 150)
        await witness.caught_up(rest)
        assert witness.bindings == 150
    events = (await rest.list(EVENTS, namespace=NAMESPACE)).items
    placed = Counter(e["involvedObject"]["name"] for e in events if e["reason"] == "Scheduled")
    assert max(placed.values()) == 1


async def test_a_killed_scheduler_resumes_and_overcommits_nothing(rest: RestClient, scheduler: MakeScheduler) -> None:
    """The nodes hold 120 of these pods, so in the end nearly every place is taken."""
    await add_nodes(rest, [f"n{i}" for i in range(6)], cpu="2")
    running = scheduler(identity="s")
    await running.wait_ready()
    async with Witness(allocatable_milli=2000).watching(rest) as witness:
        load = asyncio.create_task(_load(rest, pods=250, keep=115))
        for _ in range(3):
            bound = witness.bindings
            await eventually(lambda at=bound: witness.bindings > at + 5, timeout_seconds=WAIT_SECONDS, what="bindings")
            running.kill()
            running.spawn()
        await load
        await settled(rest, 115)
        await witness.caught_up(rest)
        assert witness.bindings >= 115
        assert witness.most_charged > 1800


async def _load(rest: RestClient, *, pods: int, keep: int) -> None:
    """Create pods one by one, and remove others so that `keep` are left."""
    chance = random.Random(7)
    alive: list[str] = []
    for i in range(pods):
        await create(rest, pod(f"p{i}"))
        alive.append(f"p{i}")
        if len(alive) > keep:
            await remove(rest, alive.pop(chance.randrange(len(alive))))


async def test_when_the_leader_ends_the_other_takes_over(rest: RestClient, scheduler: MakeScheduler) -> None:
    await add_nodes(rest, ["n0", "n1"])
    leader = scheduler("one", identity="one")
    await leader.wait_ready()
    other = scheduler("two", identity="two")
    await create(rest, pod("p0"))
    await settled(rest, 1)
    assert not other.ready
    leader.signal(signal.SIGTERM)
    await create(rest, pod("p1"), pod("p2"))
    await settled(rest, 3)
    await other.wait_ready()
