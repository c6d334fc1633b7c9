"""Stands in for scheduler and kubelets: binds pods to nodes, has them run, lets them end. By REST alone.

So the controllers can be tested without the other agents, and a test can say what becomes of a pod.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from agents.client.resources import LEASES, NODES, PODS
from agents.client.rest import RestClient
from apiserver.api.status import AlreadyExists, Conflict, NotFound, StatusError

Obj = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
RENEW_SECONDS = 0.5
_AT_ONCE = 16


def stamp(now: datetime | None = None) -> str:
    return (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_stamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_ready(obj: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in obj.get("status", {}).get("conditions", ()))


class Fleet:
    """`silent`: nodes whose kubelet is dead. `gets_ready`: whether a pod becomes ready once it runs."""

    def __init__(self, rest: RestClient, nodes: Iterable[str]) -> None:
        self._rest = rest
        self.nodes = tuple(nodes)
        self.silent: set[str] = set()
        self.gets_ready: Callable[[Obj], bool] = lambda pod: True
        self.lingers: Callable[[Obj], bool] = lambda pod: False
        self._turn = 0
        self._busy: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._gate = asyncio.Semaphore(_AT_ONCE)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Fleet]:
        for node in self.nodes:
            await self.register(node)
        work = [asyncio.create_task(self._follow(), name="fleet"), asyncio.create_task(self._renew(), name="renew")]
        try:
            yield self
        finally:
            for task in (*work, *self._tasks):
                task.cancel()
            await asyncio.gather(*work, *self._tasks, return_exceptions=True)
            for node in self.nodes:
                with contextlib.suppress(NotFound):
                    await self._rest.delete(NODES, node)

    async def register(self, name: str) -> None:
        node: Obj = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        with contextlib.suppress(AlreadyExists):
            await self._rest.create(NODES, node)
        await self.post_status(name)

    async def post_status(self, name: str, *, ready: str = "True") -> None:
        node = await self._rest.get(NODES, name)
        before = next((c for c in node.get("status", {}).get("conditions", ()) if c["type"] == "Ready"), {})
        same = before.get("status") == ready
        condition = {
            "type": "Ready",
            "status": ready,
            "reason": "Test",
            "message": "",
            "lastHeartbeatTime": stamp(),
            "lastTransitionTime": before["lastTransitionTime"] if same else stamp(),
        }
        others = [c for c in node.get("status", {}).get("conditions", ()) if c["type"] != "Ready"]
        patch = {"status": {"conditions": [*others, condition]}}
        await self._rest.patch(NODES, name, patch, subresource="status")

    async def wake(self, name: str) -> None:
        """Its kubelet is there again."""
        self.silent.discard(name)
        await self.post_status(name)
        for pod in (await self._rest.list(PODS, field_selector=f"spec.nodeName={name}")).items:
            self._spawn(pod)

    async def _renew(self) -> None:
        while True:
            for name in self.nodes:
                if name not in self.silent:
                    with contextlib.suppress(StatusError):  # an API server that is away hears the next one
                        await self._renew_one(name)
            await asyncio.sleep(RENEW_SECONDS)

    async def _renew_one(self, name: str) -> None:
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro_stamp()}
        try:
            await self._rest.patch(LEASES, name, {"spec": spec}, namespace=LEASE_NAMESPACE)
        except NotFound:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": name, "namespace": LEASE_NAMESPACE},
                "spec": spec,
            }
            await self._rest.create(LEASES, lease, namespace=LEASE_NAMESPACE)

    async def _follow(self) -> None:
        while True:
            try:
                found = await self._rest.list(PODS)
                for pod in found.items:
                    self._spawn(pod)
                async for kind, pod in self._rest.watch(PODS, resource_version=found.resource_version):
                    if kind in ("ADDED", "MODIFIED"):
                        self._spawn(pod)
            except StatusError:
                await asyncio.sleep(0.1)

    def _spawn(self, pod: Obj) -> None:
        task = asyncio.create_task(self._handle(pod), name=f"fleet-{pod['metadata']['name']}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, pod: Obj) -> None:
        """One step. A conflict means that the pod changed: its change brings the next step."""
        async with self._gate:
            try:
                await self._step(pod)
            except (Conflict, NotFound):
                return
            except StatusError:
                await asyncio.sleep(0.2)
                self._spawn(pod)

    async def _step(self, pod: Obj) -> None:
        meta, node = pod["metadata"], pod["spec"].get("nodeName")
        if node in self.silent or (node and node not in self.nodes):
            return
        if meta.get("deletionTimestamp"):
            if not self.lingers(pod):
                await self._rest.delete(
                    PODS, meta["name"], namespace=meta["namespace"], uid=meta["uid"], grace_period_seconds=0
                )
        elif not node:
            place = await self._choose()
            if place:
                await self._rest.bind(meta["namespace"], meta["name"], place, uid=meta["uid"])
        elif pod.get("status", {}).get("phase", "Pending") == "Pending":
            await self.report(pod)

    async def _choose(self) -> str:
        usable = []
        for node in (await self._rest.list(NODES)).items:
            name = node["metadata"]["name"]
            if name in self.nodes and name not in self.silent and not node["spec"].get("taints"):
                usable.append(name)
        self._turn += 1
        return usable[self._turn % len(usable)] if usable else ""

    async def report(self, pod: Obj, *, phase: str = "Running", ready: bool | None = None) -> Obj:
        well = self.gets_ready(pod) if ready is None else ready
        kept = [c for c in pod.get("status", {}).get("conditions", ()) if c["type"] != "Ready"]
        condition = {"type": "Ready", "status": "True" if well else "False", "lastTransitionTime": stamp()}
        status = {**pod.get("status", {}), "phase": phase, "conditions": [*kept, condition]}
        return await self._rest.update(PODS, {**pod, "status": status}, subresource="status")
