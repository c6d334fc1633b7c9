"""An API server in a dictionary, with just what the scheduler asks of one, and the scheduler listening to it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from agents.client.events import EventRecorder
from agents.client.informer import Delta, Informer
from agents.client.resources import NODES, PODS, ResourceRef
from agents.client.rest import RestClient
from agents.scheduler.commands import Commands
from agents.scheduler.queue import PodQueue
from agents.scheduler.scheduler import Scheduler
from apiserver.api.status import Conflict, NotFound, StatusError

Obj = dict[str, Any]


class FakeApi:
    """`refuse` may raise before a command is done, `lose` after it."""

    def __init__(self) -> None:
        self.pods: dict[tuple[str, str], Obj] = {}
        self.rv = 0
        self.bindings: list[tuple[str, str]] = []
        self.deleted: list[str] = []
        self.refuse: Callable[[str, str], None] = lambda command, pod: None
        self.lose: Callable[[str, str], None] = lambda command, pod: None
        self.on_change: Callable[[str, Obj], None] = lambda change, obj: None
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        """Commands wait for it. Open, unless a test closes it."""
        self.gate.set()

    def put(self, obj: Obj) -> Obj:
        self.rv += 1
        obj = copy.deepcopy(obj)
        obj["metadata"]["resourceVersion"] = str(self.rv)
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        change = "MODIFIED" if key in self.pods else "ADDED"
        self.pods[key] = obj
        self.on_change(change, obj)
        return obj

    def remove(self, name: str, namespace: str = "default") -> None:
        self.rv += 1
        gone = copy.deepcopy(self.pods.pop((namespace, name)))
        gone["metadata"]["resourceVersion"] = str(self.rv)
        self.on_change("DELETED", gone)

    def pod(self, name: str, namespace: str = "default") -> Obj:
        return self.pods[namespace, name]

    def node_of(self, name: str) -> str:
        return str(self.pod(name)["spec"].get("nodeName") or "")

    def condition(self, name: str, kind: str = "PodScheduled") -> Obj:
        return next((c for c in self.pod(name)["status"].get("conditions", ()) if c["type"] == kind), {})

    @contextlib.asynccontextmanager
    async def _command(self, command: str, name: str) -> AsyncIterator[None]:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            self.refuse(command, name)
            yield
            self.lose(command, name)
        finally:
            self.under_way -= 1

    def _find(self, namespace: str, name: str) -> Obj:
        found = self.pods.get((namespace, name))
        if found is None:
            raise NotFound(f'pods "{name}" not found')
        return found

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "") -> Obj:
        async with self._command("get", name):
            return self._find(namespace, name)

    async def bind(self, namespace: str, pod: str, node: str, *, uid: str = "") -> None:
        async with self._command("bind", pod):
            found = self._find(namespace, pod)
            if found["spec"].get("nodeName"):
                raise Conflict(f'pod {pod} is already assigned to node "{found["spec"]["nodeName"]}"')
            self.bindings.append((pod, node))
            self.put({**found, "spec": {**found["spec"], "nodeName": node}})

    async def patch(self, ref: ResourceRef, name: str, patch: Obj, *, namespace: str = "", **_: Any) -> Obj:
        async with self._command("patch", name):
            found = copy.deepcopy(self._find(namespace, name))
            status = dict(patch["status"])
            conditions = {c["type"]: c for c in found["status"].get("conditions", ())}
            conditions |= {c["type"]: c for c in status.pop("conditions", ())}
            found["status"] = {**found["status"], **status, "conditions": list(conditions.values())}
            return self.put(found)

    async def delete(self, ref: ResourceRef, name: str, *, namespace: str = "", uid: str = "") -> Obj:
        async with self._command("delete", name):
            found = self._find(namespace, name)
            self.deleted.append(name)
            return self.put({**found, "metadata": {**found["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}})


class FakeRecorder:
    def __init__(self) -> None:
        self.events: list[tuple[str, str, str, str]] = []

    def event(self, obj: Obj, kind: str, reason: str, message: str) -> None:
        self.events.append((obj["metadata"]["name"], kind, reason, message))

    def of(self, name: str, reason: str) -> list[str]:
        return [message for about, _, told, message in self.events if (about, told) == (name, reason)]


class Plane:
    """The scheduler on a fake API server. Changes arrive a moment after they were made, or when let through."""

    def __init__(self, *, bindings: int = 4) -> None:
        self.api = FakeApi()
        self.recorder = FakeRecorder()
        self.delayed: list[tuple[str, Obj]] | None = None
        self._pods = Informer(PODS)
        self._nodes = Informer(NODES)
        queue = PodQueue(initial_backoff=0.02, max_backoff=0.1)
        commands = Commands(cast(RestClient, self.api), cast(EventRecorder, self.recorder), self._pods)
        now = asyncio.get_running_loop().time
        self.scheduler = Scheduler(commands, queue, bindings=bindings, now=now)
        self.api.on_change = self._changed

    def _changed(self, change: str, obj: Obj) -> None:
        if self.delayed is not None:
            self.delayed.append((change, obj))
        else:
            asyncio.get_running_loop().call_soon(self._hear, change, obj)

    def hold_back(self) -> None:
        """Let no more changes through."""
        self.delayed = []

    def let_through(self) -> None:
        held, self.delayed = self.delayed or [], None
        for change, obj in held:
            self._hear(change, obj)

    def _hear(self, change: str, obj: Obj) -> None:
        self._route(self._pods.apply(change, obj))

    def _route(self, delta: Delta) -> None:
        list(self.scheduler.watches[delta.ref](delta))

    def node(self, obj: Obj) -> None:
        self.api.rv += 1
        obj["metadata"]["resourceVersion"] = str(self.api.rv)
        self._route(self._nodes.apply("ADDED", obj))

    def tell(self, ref: ResourceRef, new: Obj | None, old: Obj | None = None) -> None:
        self._route(Delta(ref, old, new))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.scheduler.run())
        try:
            yield
            if task.done():
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def once(error: StatusError, *, command: str) -> Callable[[str, str], None]:
    """Raises the error at the first such command."""
    left = [error]

    def fail(asked: str, pod: str) -> None:
        if asked == command and left:
            raise left.pop()

    return fail
