"""Pods as a load on the agents, and everything that becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.client.resources import DEPLOYMENTS, NAMESPACES, PODS, REPLICASETS
from agents.client.rest import RestClient
from apiserver.api.status import NotFound
from tests.conftest import eventually

Obj = dict[str, Any]

NAMESPACE = "load"
SETTLE_SECONDS = 90.0
_AT_ONCE = 16


@dataclass(slots=True)
class History:
    """What one watch told of the namespace's pods, by uid, from `running` on."""

    nodes: dict[str, list[str]] = field(default_factory=dict)
    """Every node that a pod was seen on, in order; one at most, or it was bound twice."""
    ran: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    rv: int = 0

    @property
    def bound(self) -> int:
        return sum(1 for nodes in self.nodes.values() if nodes)

    @contextlib.asynccontextmanager
    async def running(self, rest: RestClient) -> AsyncIterator[History]:
        self.rv = int((await rest.list(PODS, namespace=NAMESPACE)).resource_version)
        task = asyncio.create_task(self._watch(rest), name="history-of-pods")
        try:
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, rest: RestClient) -> None:
        while True:
            async for kind, pod in rest.watch(PODS, namespace=NAMESPACE, resource_version=str(self.rv)):
                assert kind in ("ADDED", "MODIFIED", "DELETED"), pod
                self._note(kind, pod)

    def _note(self, kind: str, pod: Obj) -> None:
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
        self.rv = int(pod["metadata"]["resourceVersion"])
        seen = self.nodes.setdefault(uid, [])
        if node and node not in seen:
            seen.append(node)
        if is_running(pod):
            self.ran.add(uid)
        if kind == "DELETED":
            self.removed.add(uid)

    async def told_of(self, pods: Iterable[Obj]) -> None:
        """Wait until the watch has come as far as these."""
        newest = max(int(pod["metadata"]["resourceVersion"]) for pod in pods)
        await eventually(lambda: self.rv >= newest, timeout_seconds=30, what=f"the watch at {newest}")

    def bound_twice(self) -> dict[str, list[str]]:
        return {uid: nodes for uid, nodes in self.nodes.items() if len(nodes) > 1}


def is_running(pod: Obj) -> bool:
    status = pod.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
    return status.get("phase") == "Running" and ready and "deletionTimestamp" not in pod["metadata"]


class Load:
    """Deployments and bare pods, and what there should be of them. `spec` is the pods' own."""

    def __init__(self, rest: RestClient, spec: Mapping[str, Any]) -> None:
        self.rest = rest
        self._spec = dict(spec)
        self.replicas: dict[str, int] = {}
        self.bare: set[str] = set()

    async def begin(self) -> None:
        await self.rest.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    async def scale(self, sizes: Mapping[str, int]) -> None:
        """Deployments are made when they are not there yet."""
        for name, size in sizes.items():
            if name in self.replicas:
                patch = {"spec": {"replicas": size}}
                await self.rest.patch(DEPLOYMENTS, name, patch, namespace=NAMESPACE)
            else:
                await self.rest.create(DEPLOYMENTS, self._deployment(name, size), namespace=NAMESPACE)
            self.replicas[name] = size

    def _deployment(self, name: str, size: int) -> Obj:
        labels = {"app": name}
        template = {"metadata": {"labels": labels}, "spec": self._spec}
        spec = {"replicas": size, "selector": {"matchLabels": labels}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}

    async def create(self, names: Iterable[str]) -> None:
        async def one(name: str) -> None:
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": self._spec}
            await self.rest.create(PODS, pod, namespace=NAMESPACE)
            self.bare.add(name)

        await _all(one, names)

    async def delete(self, names: Iterable[str]) -> None:
        async def one(name: str) -> None:
            with contextlib.suppress(NotFound):
                await self.rest.delete(PODS, name, namespace=NAMESPACE)
            self.bare.discard(name)

        await _all(one, names)

    async def settled(self, *, timeout_seconds: float = SETTLE_SECONDS) -> list[Obj]:
        """The pods, once there is exactly what there should be. Raises TimeoutError that tells what is not."""
        pods: list[Obj] = []
        wrong: list[str] = []

        async def converged() -> bool:
            pods[:] = (await self.rest.list(PODS, namespace=NAMESPACE)).items
            wrong[:] = [*self._wrong_pods(pods), *await self._wrong_owners(pods)]
            return not wrong

        try:
            await eventually(converged, timeout_seconds=timeout_seconds)
        except TimeoutError as err:
            raise TimeoutError(f"not converged in {timeout_seconds} s: {wrong[:10]}") from err
        return pods

    def _wrong_pods(self, pods: list[Obj]) -> Iterable[str]:
        yield from (f"{_name(pod)} is {_state(pod)}" for pod in pods if not is_running(pod))
        bare = {_name(pod) for pod in pods if not pod["metadata"].get("ownerReferences")}
        if bare != self.bare:
            yield f"bare pods: {len(bare - self.bare)} too many, {len(self.bare - bare)} missing"
        for name, size in self.replicas.items():
            count = sum(1 for pod in pods if pod["metadata"].get("labels", {}).get("app") == name)
            if count != size:
                yield f"{name} has {count} of {size} pods"

    async def _wrong_owners(self, pods: list[Obj]) -> list[str]:
        """A pod without its owner is an orphan; an owner that does not count its pods right does not know them."""
        deployments = (await self.rest.list(DEPLOYMENTS, namespace=NAMESPACE)).items
        sets = (await self.rest.list(REPLICASETS, namespace=NAMESPACE)).items
        owners = {one["metadata"]["uid"] for one in sets}
        wrong = [
            f"{_name(pod)} is an orphan"
            for pod in pods
            for owner in pod["metadata"].get("ownerReferences", ())
            if owner["uid"] not in owners
        ]
        wrong += [f"{_name(one)}: {one.get('status')}" for one in (*deployments, *sets) if not _tells_truth(one)]
        if len(sets) != len(self.replicas):
            wrong.append(f"{len(sets)} replica sets of {len(self.replicas)} deployments")
        return wrong


async def _all(work: Callable[[str], Any], names: Iterable[str]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            await work(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name), name=f"load-{name}")


def _name(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _state(pod: Obj) -> str:
    going = ", on its way out" if pod["metadata"].get("deletionTimestamp") else ""
    node = pod["spec"].get("nodeName", "no node")
    return f"{pod.get('status', {}).get('phase')} on {node}{going}"


def _tells_truth(owner: Obj) -> bool:
    want, status = owner["spec"]["replicas"], owner.get("status", {})
    counted = [status.get(field, 0) for field in ("replicas", "readyReplicas", "availableReplicas")]
    return counted == [want] * 3 and status.get("observedGeneration") == owner["metadata"]["generation"]
