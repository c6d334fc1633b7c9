"""Two schedulers and two controllers at once: whoever works, nothing is done twice.

Those that stand for election work one at a time, also when the one that leads is stopped in the middle of its work,
replaced, and wakes up late. A second scheduler that does not stand for election is held by the API server.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agents.client.config import load as load_kubeconfig
from agents.client.resources import LEASES
from agents.client.rest import RestClient
from tests.conftest import eventually
from tests.faults.agents import Agents
from tests.faults.pods import History, Load
from tests.plane import ControlPlane, clean_environment

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("two-at-once")]

Obj = dict[str, Any]

NODES = 10
LEASE_OF = {"scheduler": "kube-scheduler", "controllers": "kube-controller-manager"}
OTHER = "the-other"
SPEC = {"containers": [{"name": "main", "image": "simulated"}]}
A_FEW = 8
TAKEN_OVER_SECONDS = 60.0
"""A lease that is not renewed runs out after 15 s."""


@contextlib.contextmanager
def by_hand(plane: ControlPlane, part: str, *args: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A part as somebody starts it who wants a second one."""
    kubeconfig = plane.data_dir / "kubeconfigs" / f"{part}.kubeconfig"
    command = [sys.executable, "-P", "-m", "deploy.cli", part, f"--kubeconfig={kubeconfig}", *args]
    log = plane.data_dir / "logs" / f"{part}-by-hand.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**clean_environment(), **environment})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Stage:
    def __init__(self, plane: ControlPlane, rest: RestClient, history: History) -> None:
        self.plane = plane
        self.rest = rest
        self.history = history
        self.load = Load(rest, SPEC)
        self.agents = Agents(plane, *LEASE_OF)

    async def leader(self, part: str) -> str:
        lease = await self.rest.get(LEASES, LEASE_OF[part], namespace="kube-system")
        return str(lease["spec"]["holderIdentity"])

    async def leads(self, *, other: bool) -> None:
        """Wait until the one started by hand leads in both, or in none."""

        async def there() -> bool:
            return {(await self.leader(part)) == OTHER for part in LEASE_OF} == {other}

        await eventually(there, timeout_seconds=TAKEN_OVER_SECONDS, what=f"the other one leads: {other}")

    async def grow_and_stop_the_leaders(self, size: int) -> None:
        """Stop them with work half done."""
        created, bound = len(self.history.nodes), self.history.bound
        await self.load.scale({"web": size})
        await eventually(lambda: len(self.history.nodes) >= created + A_FEW, timeout_seconds=60)
        os.kill(self.agents.pid("controllers"), signal.SIGSTOP)
        await eventually(lambda: self.history.bound >= bound + A_FEW, timeout_seconds=60)
        os.kill(self.agents.pid("scheduler"), signal.SIGSTOP)

    async def wake_the_stopped(self) -> None:
        """They find that they do not lead any more, end, and their successors stand by."""
        for part in LEASE_OF:
            os.kill(self.agents.pid(part), signal.SIGCONT)
        await asyncio.gather(*(self.agents.replaced(part, self.agents.pid(part)) for part in LEASE_OF))


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with ControlPlane(tmp_path, nodes=NODES, runtime="sim") as plane:
        async with RestClient(load_kubeconfig(plane.kubeconfig), user_agent="test") as rest:
            await Load(rest, SPEC).begin()
            async with History().running(rest) as history:
                yield Stage(plane, rest, history)


async def test_a_leader_that_is_stopped_and_wakes_up_late_and_its_successor_work_as_one(stage: Stage) -> None:
    plane, load, history = stage.plane, stage.load, stage.history
    with (
        by_hand(plane, "scheduler", f"--identity={OTHER}") as scheduler,
        by_hand(plane, "controllers", f"--identity={OTHER}") as controllers,
    ):
        await load.scale({"web": 10})
        await load.settled()
        await stage.grow_and_stop_the_leaders(60)
        await stage.leads(other=True)
        await load.settled()

        await load.scale({"web": 120})
        await stage.wake_the_stopped()
        assert {await stage.leader(part) for part in LEASE_OF} == {OTHER}
        await load.settled()

        for process in (scheduler, controllers):  # in order: the lease is given back
            process.terminate()
            assert await asyncio.to_thread(process.wait, 30) == 0
        await stage.leads(other=False)
        await load.scale({"web": 130})
        pods = await load.settled()
    await history.told_of(pods)
    assert history.bound_twice() == {}
    assert len(history.nodes) == 130, "a pod was made that nobody asked for"
    assert history.removed == set()


async def test_two_schedulers_that_both_work_never_bind_a_pod_twice(stage: Stage) -> None:
    load, history = stage.load, stage.history
    with by_hand(stage.plane, "scheduler", "--no-leader-elect", BACKBEAT_SUBSCRIBER="scheduler-2") as second:
        log = stage.plane.data_dir / "logs" / "scheduler-by-hand.log"
        await eventually(lambda: '"agent follows"' in log.read_text(), timeout_seconds=60, what="a second scheduler")
        for round_ in range(3):
            await load.create(f"pod-{round_}-{number}" for number in range(60))
            pods = await load.settled()
            await load.delete(f"pod-{round_}-{number}" for number in range(0, 60, 2))
        pods = await load.settled()
        assert second.poll() is None
        raced = log.read_text().count('"pod not bound"') + stage.plane.log("scheduler").count('"pod not bound"')
    await history.told_of(pods)
    assert history.bound_twice() == {}
    assert raced > 0, "the two never met"
