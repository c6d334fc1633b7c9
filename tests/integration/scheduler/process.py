"""Real scheduler processes, and a witness of everything that becomes of pods."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

from agents.client.config import load
from agents.client.resources import NODES, PODS
from agents.client.rest import RestClient
from apiserver.api.status import NotFound
from deploy import identities
from tests.apiserver import ApiServer
from tests.conftest import eventually
from tests.servers import Nats, Process

Obj = dict[str, Any]

NAMESPACE = "default"
WAIT_SECONDS = 60.0


class SchedulerProcess(Process):
    """One scheduler. Those of the same `identity` are lives of one candidate; without one it stands for no election."""

    def __init__(self, directory: Path, server: ApiServer, nats: Nats, *, name: str, identity: str = "") -> None:
        self._health = directory / f"{name}.health"
        settings = {
            "kubeconfig": str(server.kubeconfig(identities.SCHEDULER)),
            "nats_url": nats.url,
            "health_file": str(self._health),
            "leader_elect": "true" if identity else "false",
            **({"identity": identity} if identity else {"subscriber": name}),
        }
        self._variables = {f"BACKBEAT_{key.upper()}": value for key, value in settings.items()}
        super().__init__([sys.executable, "-P", "-m", "deploy.part", "scheduler", name], directory / f"{name}.log")

    def spawn(self) -> None:
        self._health.unlink(missing_ok=True)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **self._variables}
            )

    @property
    def ready(self) -> bool:
        return self._health.exists() and bool(json.loads(self._health.read_bytes())["ready"])

    async def wait_ready(self) -> None:
        await eventually(lambda: self.ready, timeout_seconds=WAIT_SECONDS, what="scheduler ready")


@contextlib.asynccontextmanager
async def client(server: ApiServer) -> AsyncIterator[RestClient]:
    """The administrator's."""
    async with RestClient(load(server.kubeconfig()), user_agent="tests") as rest:
        yield rest


async def add_nodes(rest: RestClient, names: Iterable[str], *, cpu: str = "4", pods: str = "110", **more: Any) -> None:
    for name in names:
        node = {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": more,
            "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": pods}},
        }
        await rest.create(NODES, node)


def pod(name: str, *, cpu: str = "100m", **spec: Any) -> Obj:
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    return {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": {"containers": [container], **spec}}


async def create(rest: RestClient, *pods: Obj) -> None:
    await asyncio.gather(*(rest.create(PODS, one, namespace=NAMESPACE) for one in pods))


async def remove(rest: RestClient, name: str) -> None:
    with contextlib.suppress(NotFound):
        await rest.delete(PODS, name, namespace=NAMESPACE, grace_period_seconds=0)


async def all_bound(rest: RestClient, count: int) -> bool:
    found = (await rest.list(PODS, namespace=NAMESPACE)).items
    return len(found) == count and all(p["spec"].get("nodeName") for p in found)


async def settled(rest: RestClient, count: int) -> None:
    """Wait until so many pods are there, and each has its node."""
    await eventually(lambda: all_bound(rest, count), timeout_seconds=WAIT_SECONDS, what=f"{count} pods bound")


def condition(obj: Obj) -> Obj:
    found = obj.get("status", {}).get("conditions", ())
    return next((c for c in found if c["type"] == "PodScheduled"), {})


class Witness:
    """Sees every change of every pod, and says what must never have been."""

    def __init__(self, allocatable_milli: int) -> None:
        self._allocatable = allocatable_milli
        self._node_of: dict[str, str] = {}
        self._charged: Counter[str] = Counter()
        self.most_charged = 0
        self.bindings = 0
        self.seen = 0

    @contextlib.asynccontextmanager
    async def watching(self, rest: RestClient) -> AsyncIterator[Witness]:
        start = await rest.list(PODS, namespace=NAMESPACE)
        assert not start.items
        task = asyncio.create_task(self._watch(rest, start.resource_version), name="witness")
        try:
            yield self
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self, rest: RestClient, resource_version: str) -> None:
        async for change, obj in rest.watch(PODS, namespace=NAMESPACE, resource_version=resource_version):
            self._see(change, obj)

    def _see(self, change: str, obj: Mapping[str, Any]) -> None:
        self.seen = int(obj["metadata"]["resourceVersion"])
        uid, node = obj["metadata"]["uid"], obj["spec"].get("nodeName", "")
        before = self._node_of.get(uid, "")
        assert before in ("", node), f"{obj['metadata']['name']} was bound to {before}, and then to {node}"
        if node and not before:
            self.bindings += 1
            self._node_of[uid] = node
            self._charge(node, _milli(obj))
        if change == "DELETED" and self._node_of.pop(uid, ""):
            self._charge(node, -_milli(obj))

    def _charge(self, node: str, by: int) -> None:
        self._charged[node] += by
        self.most_charged = max(self.most_charged, self._charged[node])
        assert self._charged[node] <= self._allocatable, f"{node} is overcommitted"

    async def caught_up(self, rest: RestClient) -> None:
        """Wait until everything that is true now was seen."""
        until = max((int(p["metadata"]["resourceVersion"]) for p in (await rest.list(PODS)).items), default=0)
        await eventually(lambda: self.seen >= until, timeout_seconds=WAIT_SECONDS, what="witness caught up")


def _milli(obj: Mapping[str, Any]) -> int:
    cpu = obj["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    return int(cpu.removesuffix("m")) if cpu.endswith("m") else 1000 * int(cpu)
