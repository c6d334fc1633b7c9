"""kill -9 of scheduler, controllers and kubelets while hundreds of pods come and go: it all converges, each agent goes
on from its own cursor, and nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.client.config import load as load_kubeconfig
from agents.client.rest import RestClient
from tests.conftest import eventually
from tests.faults.agents import Agents, Cursor, attachments, check_resumed, complaints, cursors
from tests.faults.pods import History, Load
from tests.plane import ControlPlane

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("agents-under-load")]

NODES = 20
SUBSCRIPTIONS = {"scheduler": "scheduler", "controllers": "controllers", "kubelets": "kubelet-node-1-and-19"}
SPEC = {"containers": [{"name": "main", "image": "simulated", "resources": {"requests": {"cpu": "10m"}}}]}
SIZES = (
    {"a": 40, "b": 40, "c": 40, "d": 40},
    {"a": 5, "b": 70, "c": 20, "d": 60},
    {"a": 60, "b": 10, "c": 50, "d": 0},
)
"""Of four Deployments, round by round."""
BARE = 40
"""Single pods that each round adds; half of the ones of the round before go."""
A_FEW = 8


async def test_everything_converges_although_every_agent_is_killed_again_and_again_under_load(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=NODES, runtime="sim") as plane:
        agents = Agents(plane, *SUBSCRIPTIONS)
        async with RestClient(load_kubeconfig(plane.kubeconfig), user_agent="test") as rest:
            load = Load(rest, SPEC)
            await load.begin()
            before = await cursors(plane)
            async with History().running(rest) as history:
                for number in range(len(SIZES)):
                    await _round(number, load, history, agents)
                pods = await load.settled()
                await history.told_of(pods)
        assert set(agents.kills.values()) == {len(SIZES)}
        assert len(pods) == sum(SIZES[-1].values()) + len(load.bare)
        assert history.bound_twice() == {}
        assert set(history.nodes) - history.removed == {pod["metadata"]["uid"] for pod in pods}
        await _went_on_from_their_cursors(agents, before)
        assert [line for name in agents.names for line in complaints(plane, name)] == []


async def _round(number: int, load: Load, history: History, agents: Agents) -> None:
    """Change the load, and kill each agent while it is at it."""
    created, bound, ran = len(history.nodes), history.bound, len(history.ran)
    async with asyncio.TaskGroup() as group:
        group.create_task(_change(number, load), name="change")
        for name, reached in {
            "controllers": lambda: len(history.nodes) >= created + A_FEW,
            "scheduler": lambda: history.bound >= bound + A_FEW,
            "kubelets": lambda: len(history.ran) >= ran + A_FEW,
        }.items():
            group.create_task(_kill(agents, name, reached), name=f"kill-{name}")
    await eventually(lambda: _move_on(agents), timeout_seconds=60, what="each successor's cursor moves")


async def _change(number: int, load: Load) -> None:
    await load.scale(SIZES[number])
    await load.create(f"bare-{number}-{i}" for i in range(BARE))
    await load.delete(f"bare-{number - 1}-{i}" for i in range(0, BARE if number else 0, 2))


async def _kill(agents: Agents, name: str, reached: Callable[[], bool]) -> None:
    await eventually(reached, timeout_seconds=60, what=f"work for {name}")
    await agents.kill(name)


async def _move_on(agents: Agents) -> bool:
    """Each agent has acknowledged something in this life."""
    found = await cursors(agents.plane)
    began = {name: attachments(agents.plane, name)[-1].cursor for name in SUBSCRIPTIONS}
    return all(found[subscription].acknowledged > began[name] for name, subscription in SUBSCRIPTIONS.items())


async def _went_on_from_their_cursors(agents: Agents, before: dict[str, Cursor]) -> None:
    """The consumers are those of before, each life began with what the last one had acknowledged, and all is done."""
    plane, after = agents.plane, before

    async def done() -> bool:
        nonlocal after
        after = await cursors(plane)
        return all(cursor.waiting == 0 for cursor in after.values())

    await eventually(done, timeout_seconds=30, what="every change acknowledged")
    assert set(after) == set(SUBSCRIPTIONS.values())
    for process, subscription in SUBSCRIPTIONS.items():
        assert after[subscription].is_same_as(before[subscription])
        assert {one.agent for one in attachments(plane, process)} == {subscription}
        check_resumed(plane, process, kills=agents.kills[process])
