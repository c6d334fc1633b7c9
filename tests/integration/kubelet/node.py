"""One node with real processes and an API that a test holds in its hand."""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from agents.client.informer import Informer
from agents.client.resources import PODS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Key
from agents.kubelet.admission import NodeView
from agents.kubelet.host import Host
from agents.kubelet.pod_store import PodStore
from agents.kubelet.pods import Pods
from agents.kubelet.podspec import uid_of
from agents.kubelet.process_runtime import ProcessRuntime
from agents.kubelet.runtime import Container, PodUid, Runtime
from agents.kubelet.status_writer import StatusWriter
from apiserver.api.patch import strategic
from apiserver.api.schema import schema_for_kind
from apiserver.api.status import not_found
from tests.conftest import eventually

Obj = dict[str, Any]

NODE = "node-1"
VIEW = NodeView(NODE, {"kubernetes.io/hostname": NODE}, {"cpu": "4", "memory": "8Gi", "pods": "20"}, "linux")
WAIT_SECONDS = 60.0


def pod_object(name: str, *containers: Obj, **spec: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}", "generation": 1},
        "spec": {
            "nodeName": NODE,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "containers": list(containers),
            **spec,
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def shell(script: str, *, name: str = "main", **more: Any) -> Obj:
    return {"name": name, "image": "none", "command": ["sh", "-c", script], **more}


SLEEP = "exec sleep 1000"


@dataclass
class Api:
    """Pods as an API server would keep them; implements `PodClient`."""

    pods: dict[tuple[str, str], Obj] = field(default_factory=dict)
    objects: dict[tuple[str, str], Obj] = field(default_factory=dict)
    away: bool = False
    writes: int = 0
    node: Node | None = None
    _rv: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, pod: Obj) -> Obj:
        meta = pod["metadata"]
        stored = {**pod, "metadata": {**meta, "resourceVersion": str(next(self._rv))}}
        self.pods[(meta["namespace"], meta["name"])] = stored
        if self.node is not None:
            self.node.hear("MODIFIED", stored)
        return stored

    def get(self, name: str) -> Obj:
        return self.pods[("default", name)]

    def mark_deleted(self, name: str, *, grace: int = 30) -> None:
        pod = copy.deepcopy(self.get(name))
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        pod["metadata"] |= {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace}
        self.put(pod)

    def remove(self, name: str) -> Obj:
        pod = self.pods.pop(("default", name))
        gone = {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(next(self._rv))}}
        if self.node is not None:
            self.node.hear("DELETED", gone)
        return gone

    async def patch(self, ref: ResourceRef, name: str, patch: Any, **where: Any) -> Obj:
        pod = self._find(name, where["namespace"], patch["metadata"]["uid"])
        assert where["subresource"] == "status"
        self.writes += 1
        return self.put(strategic.apply(pod, copy.deepcopy(patch), schema_for_kind("", "v1", "Pod")))

    async def delete(self, ref: ResourceRef, name: str, **where: Any) -> Obj:
        self._find(name, where["namespace"], where["uid"])
        assert where["grace_period_seconds"] == 0
        if self.get(name)["metadata"].get("finalizers"):
            self.mark_deleted(name, grace=0)
            return self.get(name)
        return self.remove(name)

    def _find(self, name: str, namespace: str, uid: str) -> Obj:
        if self.away:
            raise ApiUnavailable("away")
        pod = self.pods.get((namespace, name))
        if pod is None or pod["metadata"]["uid"] != uid:
            raise not_found("pods", "", name)
        return pod

    async def fetch(self, resource: str, namespace: str, name: str) -> Obj:
        if self.away:
            raise ApiUnavailable("away")
        found = self.objects.get((resource, name))
        if found is None:
            raise not_found(resource, "", name)
        return found


class Recorded(list[tuple[str, str, str]]):
    """(pod, reason, message) of each Event. Implements `Events`."""

    def event(self, obj: Obj, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.append((obj["metadata"]["name"], reason, message))

    def reasons(self, pod: str) -> list[str]:
        return [reason for name, reason, _ in self if name == pod]

    def message(self, pod: str, reason: str) -> str:
        return next((m for name, r, m in self if (name, r) == (pod, reason)), "")


class Node:
    """What a kubelet process has, between the bus and the processes."""

    def __init__(self, api: Api, runtime: Runtime, store: PodStore, *, runs_processes: bool = True) -> None:
        self.api = api
        self.runtime = runtime
        self.events = Recorded()
        self.informer = Informer(PODS)
        self.pods = Pods(self.informer, lambda name: VIEW if name == NODE else None, workers=4)
        self.writer = StatusWriter(api, find=self.pods.find, informer=self.informer)
        self.pods.use(
            Host(
                runtime=runtime,
                runs_processes=runs_processes,
                may_switch_user=os.geteuid() == 0,
                events=self.events,
                fetch=api.fetch,
                store=store,
                capacity=VIEW.allocatable,
                path=os.environ["PATH"],
                now=lambda: datetime.now(UTC),
                wake=self.pods.wake,
                report=self.writer.report,
            )
        )
        runtime.listen(self.pods.wake)
        self._deliveries: set[asyncio.Task[Any]] = set()

    def hear(self, kind: str, pod: Obj) -> None:
        """A change arrives."""
        self.informer.apply(kind, pod)
        key = Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
        task = asyncio.create_task(self.pods.reconcile(key), name=f"reconcile-{key}")
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    @asynccontextmanager
    async def running(self, *, told: bool = True) -> AsyncIterator[Node]:
        """`told` False: the API has not been heard of."""
        self.pods.load()
        if told:
            self.api.node = self
            self.informer.replace(self.api.pods.values(), max((_rv(p) for p in self.api.pods.values()), default=0))
            await self.pods.compare()
            await self.pods.sweep({uid_of(p) for p in self.api.pods.values()})
        tasks = [asyncio.create_task(work, name="node") for work in (self.pods.run(), self.writer.run())]
        try:
            yield self
        finally:
            self.api.node = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def addresses_taken(self) -> int:
        assert isinstance(self.runtime, ProcessRuntime)
        return len(self.runtime._addresses._taken)

    async def containers(self, pod: str) -> list[Container]:
        return list(await self.runtime.list_containers(PodUid(f"uid-of-{pod}")))

    async def status(self, pod: str, condition: Any, *, what: str) -> Obj:
        """The API's status of the pod, once it is as wanted."""
        await eventually(lambda: bool(condition(self.api.get(pod)["status"])), timeout_seconds=WAIT_SECONDS, what=what)
        found: Obj = self.api.get(pod)["status"]
        return found

    async def phase(self, pod: str, phase: str) -> Obj:
        return await self.status(pod, lambda s: s.get("phase") == phase, what=f"{pod} {phase}")

    async def ready(self, pod: str) -> Obj:
        return await self.status(pod, is_ready, what=f"{pod} Ready")

    async def gone(self, pod: str) -> None:
        """From the API and from this node."""
        await eventually(
            lambda: ("default", pod) not in self.api.pods and self.pods.find(PodUid(f"uid-of-{pod}")) is None,
            timeout_seconds=WAIT_SECONDS,
            what=f"{pod} gone",
        )


def _rv(pod: Obj) -> int:
    return int(pod["metadata"]["resourceVersion"])


def is_ready(status: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))


def container(status: Obj, name: str = "main", *, key: str = "containerStatuses") -> Obj:
    found: Obj = next(c for c in status.get(key, ()) if c["name"] == name)
    return found


@asynccontextmanager
async def process_node(api: Api, root: Path, *, told: bool = True) -> AsyncIterator[Node]:
    """A node on this directory; leaving it is what SIGTERM does to a kubelet."""
    runtime = ProcessRuntime(root, network=IPv4Network("127.91.7.0/24"))
    await runtime.start()
    try:
        async with Node(api, runtime, PodStore(root)).running(told=told) as node:
            yield node
    finally:
        await runtime.close()
