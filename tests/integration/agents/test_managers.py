"""Several controller managers, and managers that are killed under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from agents.client.resources import DEPLOYMENTS, LEASES, PODS, REPLICASETS
from tests.conftest import eventually
from tests.integration.agents.fleet import is_ready
from tests.integration.agents.plane import ControllersProcess, Plane, Servers, deployment, plane_of

Obj = dict[str, Any]


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Each test has its own: another test's managers would stand for the same election."""
    made = Servers(tmp_path_factory.mktemp("plane"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest_asyncio.fixture
async def plane(servers: Servers, quiet_end: None) -> AsyncIterator[Plane]:
    async with plane_of(servers) as made:
        yield made


@contextlib.contextmanager
def managers(servers: Servers, *names: str, **settings: str) -> Iterator[list[ControllersProcess]]:
    made = [ControllersProcess(servers, name, **settings) for name in names]
    try:
        for process in made:
            process.spawn()
        yield made
    finally:
        for process in made:
            process.kill()


async def lease(plane: Plane) -> Obj:
    found: Obj = (await plane.rest.get(LEASES, "kube-controller-manager", namespace="kube-system"))["spec"]
    return found


async def until_led(plane: Plane, *, transitions: int = 0) -> str:
    async def led() -> bool:
        found = await plane.rest.list(LEASES, namespace="kube-system")
        spec = next((x["spec"] for x in found.items if x["metadata"]["name"] == "kube-controller-manager"), {})
        return bool(spec.get("holderIdentity")) and spec.get("leaseTransitions", 0) >= transitions

    await plane.until(led, what="a manager leads")
    return str((await lease(plane))["holderIdentity"])


class PodCounter:
    """Every pod that was ever made in a namespace."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self.made: set[str] = set()

    @contextlib.asynccontextmanager
    async def counting(self) -> AsyncIterator[PodCounter]:
        found = await self._plane.rest.list(PODS, namespace=self._plane.namespace)
        before = {p["metadata"]["uid"] for p in found.items}
        task = asyncio.create_task(self._count(found.resource_version), name="count-pods")
        try:
            yield self
            there = {p["metadata"]["uid"] for p in await self._plane.list(PODS)} - before
            await eventually(lambda: there <= self.made, timeout_seconds=30, what="the watch tells of all pods")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _count(self, start: str) -> None:
        frames = self._plane.rest.watch(PODS, namespace=self._plane.namespace, resource_version=start)
        async with contextlib.aclosing(frames):  # type: ignore[type-var]
            async for kind, pod in frames:
                if kind == "ADDED":
                    self.made.add(pod["metadata"]["uid"])


async def test_two_managers_make_no_pod_twice(plane: Plane) -> None:
    with managers(plane.servers, "one", "two"):
        await until_led(plane)
        async with PodCounter(plane).counting() as counter:
            for n in range(5):
                await plane.create(DEPLOYMENTS, deployment(f"web-{n}", 4))
            for n in range(5):
                await plane.until_rolled_out(f"web-{n}")
        assert len(counter.made) == 20
        assert len(await plane.list(REPLICASETS)) == 5


async def test_when_the_leader_is_killed_the_other_goes_on_where_it_was(plane: Plane) -> None:
    with managers(plane.servers, "one", "two") as processes:
        leader = await until_led(plane)
        await plane.create(DEPLOYMENTS, deployment("before", 3))
        await plane.until_rolled_out("before")
        async with PodCounter(plane).counting() as counter:
            await plane.create(DEPLOYMENTS, deployment("during", 5))
            next(p for p in processes if p.log.name == f"{leader}.log").kill()
            await plane.create(DEPLOYMENTS, deployment("after", 2))
            assert await until_led(plane, transitions=1) != leader
            await plane.until_rolled_out("during")
            await plane.until_rolled_out("after")
        assert len(counter.made) == 7
        [other] = [p for p in processes if p.log.name != f"{leader}.log"]
        assert '"fresh":false' in other.log.read_text()


async def test_a_leader_that_was_stopped_writes_nothing_when_it_wakes_up_late(plane: Plane) -> None:
    with managers(plane.servers, "one", "two") as processes:
        leader = await until_led(plane)
        [sleeper] = [p for p in processes if p.log.name == f"{leader}.log"]
        [other] = [p for p in processes if p is not sleeper]
        await plane.create(DEPLOYMENTS, deployment("web", 2))
        await plane.until_rolled_out("web")
        sleeper.stop_for_now()
        await until_led(plane, transitions=1)
        async with PodCounter(plane).counting() as counter:
            await plane.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 6}})
            await plane.until_rolled_out("web")
            sleeper.go_on()
            await plane.until(_ended(sleeper), what="the late leader ends")
        assert len(counter.made) == 4
        assert other.runs


def _ended(process: ControllersProcess) -> Any:
    async def ended() -> bool:
        return not process.runs

    return ended


def is_settled(wanted: dict[str, int], pods: list[Obj]) -> bool:
    if not all(is_ready(p) and not p["metadata"].get("deletionTimestamp") for p in pods):
        return False
    counts = Counter(p["metadata"]["labels"]["app"] for p in pods)
    return counts == Counter(wanted)


async def test_killed_again_and_again_under_load_the_controllers_finish_everything(plane: Plane) -> None:
    """200 pods and more are made and removed meanwhile. The manager keeps its identity, as its supervisor has it."""
    rng = random.Random(7)
    wanted: dict[str, int] = {}
    [process] = [ControllersProcess(plane.servers, "controllers")]
    try:
        process.spawn()
        await until_led(plane)
        for turn in range(6):
            for _ in range(10):
                name = f"web-{rng.randrange(12)}"
                if name not in wanted:
                    wanted[name] = rng.randrange(1, 8)
                    await plane.create(DEPLOYMENTS, deployment(name, wanted[name]))
                elif rng.random() < 0.3:
                    del wanted[name]
                    await plane.delete(DEPLOYMENTS, name, propagation_policy=rng.choice(["Background", "Foreground"]))
                    await plane.until_gone(DEPLOYMENTS, name)
                else:
                    wanted[name] = rng.randrange(0, 8)
                    template = {"metadata": {"labels": {"turn": str(turn)}}}
                    await plane.patch(DEPLOYMENTS, name, {"spec": {"replicas": wanted[name], "template": template}})
            await asyncio.sleep(rng.random() * 0.3)
            process.kill()
            process.spawn()

        async def settled() -> bool:
            return is_settled(wanted, await plane.list(PODS))

        await plane.until(settled, what="all as it is wanted")
        log = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
        starts = [line["fresh"] for line in log if line.get("event") == "agent follows"]
        assert starts[-1] is False
    finally:
        process.kill()


@pytest.mark.parametrize("times", [1, 20])
async def test_a_manager_that_dies_before_it_acknowledges_does_the_work_again_without_harm(
    plane: Plane, times: int
) -> None:
    with managers(plane.servers, "one", crash_at=f"before-ack:{times}") as [armed]:
        async with PodCounter(plane).counting() as counter:
            await plane.create(DEPLOYMENTS, deployment("web", 3))
            await plane.until(_ended(armed), what="the armed manager dies")
            armed.disarm()
            armed.spawn()
            await plane.until_rolled_out("web")
        assert len(counter.made) == 3
