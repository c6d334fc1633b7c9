"""kill -9 of kubelets that run real processes: these live on, and none is started twice."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from agents.client.config import load as load_kubeconfig
from agents.client.rest import RestClient
from tests.conftest import eventually
from tests.faults.agents import Agents, check_resumed, complaints
from tests.faults.pods import History, Load
from tests.plane import ControlPlane

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("kubelet-deaths")]

Obj = dict[str, Any]

KUBELETS = ("kubelet-node-1", "kubelet-node-2")
A_STEP = 8
"""Pods to start: a kubelet is killed when the first of them has begun."""


@dataclass(frozen=True, slots=True)
class Start:
    """A container said that it began."""

    pod: str
    pid: int


class Witness:
    """A file that every container writes to when it begins."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def spec(self) -> Obj:
        """Of a pod whose container does that, and then nothing."""
        # `$$$$`: the API's own language of variables makes `$$` of it.
        script = f'echo "$POD_UID $$$$" >> {shlex.quote(str(self._file))}; exec sleep 100000'
        uid = {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
        container = {"name": "main", "image": "none", "command": ["/bin/sh", "-c", script], "env": [uid]}
        return {"terminationGracePeriodSeconds": 5, "containers": [container]}

    def starts(self) -> list[Start]:
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [Start(pod, int(pid)) for pod, pid in (line.split() for line in lines)]

    def running(self) -> dict[str, int]:
        """The newest process of each pod that has one."""
        return {start.pod: start.pid for start in self.starts() if psutil.pid_exists(start.pid)}

    def counts(self) -> Counter[str]:
        return Counter(start.pod for start in self.starts())


@dataclass(frozen=True, slots=True)
class Stage:
    plane: ControlPlane
    agents: Agents
    load: Load
    history: History
    witness: Witness


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    with ControlPlane(tmp_path, nodes=2) as plane:
        agents = Agents(plane, *KUBELETS)
        async with RestClient(load_kubeconfig(plane.kubeconfig), user_agent="test") as rest:
            witness = Witness(tmp_path / "starts")
            load = Load(rest, witness.spec())
            await load.begin()
            async with History().running(rest) as history:
                yield Stage(plane, agents, load, history, witness)


def _uids(pods: Iterable[Obj]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def _restarts(pods: Iterable[Obj]) -> dict[str, int]:
    return {p["metadata"]["uid"]: s["restartCount"] for p in pods for s in p["status"]["containerStatuses"]}


async def _kill_while_they_start_pods(stage: Stage) -> int:
    """How many pods there should be then."""
    size = 0
    for name in (*KUBELETS, *KUBELETS):
        size += A_STEP
        started = stage.witness.counts().total()
        await stage.load.scale({"web": size})
        await eventually(lambda started=started: stage.witness.counts().total() > started, timeout_seconds=60)
        await stage.agents.kill(name)
    return size


async def test_no_process_is_started_twice_and_none_is_lost_although_kubelets_are_killed_again_and_again(
    stage: Stage,
) -> None:
    load, witness, agents = stage.load, stage.witness, stage.agents
    size = await _kill_while_they_start_pods(stage)
    pods = await load.settled()
    assert len(pods) == size
    running = witness.running()
    assert set(witness.counts().values()) == {1}
    assert set(running) == _uids(pods)
    assert set(_restarts(pods).values()) == {0}

    await asyncio.gather(*(agents.kill(name) for name in KUBELETS))
    pods = await load.settled()
    assert witness.running() == running
    assert witness.counts().total() == len(running)
    assert set(_restarts(pods).values()) == {0}

    await load.scale({"web": 4})
    await asyncio.gather(*(agents.kill(name) for name in KUBELETS))
    pods = await load.settled()
    left = {uid: pid for uid, pid in running.items() if uid in _uids(pods)}
    await eventually(lambda: witness.running() == left, timeout_seconds=30, what="the others' processes ended")
    assert witness.counts().total() == len(running)

    assert stage.history.bound_twice() == {}
    for name in KUBELETS:
        check_resumed(stage.plane, name, kills=agents.kills[name])
        assert complaints(stage.plane, name) == []


async def test_a_process_that_ends_while_its_kubelet_is_dead_is_started_again_once(stage: Stage) -> None:
    load, witness = stage.load, stage.witness
    await load.create(["short"])
    (pod,) = await load.settled()
    uid, kubelet = pod["metadata"]["uid"], f"kubelet-{pod['spec']['nodeName']}"
    dead = stage.agents.pid(kubelet)

    os.kill(dead, signal.SIGKILL)
    os.kill(witness.running()[uid], signal.SIGKILL)
    await stage.agents.succeeded(kubelet, dead)

    async def told() -> bool:
        nonlocal pod
        (pod,) = await load.settled()
        return _restarts([pod]) == {uid: 1}

    await eventually(told, timeout_seconds=60, what="a restart in the status")
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137
    assert witness.counts() == {uid: 2}
    assert set(witness.running()) == {uid}
