"""One node towards the API: registered, reported, kept alive."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agents.client.resources import LEASES, NODES, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.kubelet import node_object as n
from agents.kubelet import node_reporter
from agents.kubelet.machine import Machine
from agents.kubelet.node_reporter import NodeReporter
from agents.kubelet.runtime import RuntimeStatus, RuntimeVersion
from agents.kubelet.settings import Capacity, Heartbeats, Pressure
from apiserver.api.patch import strategic
from apiserver.api.schema import schema_for_kind
from apiserver.api.status import AlreadyExists, Conflict, not_found
from tests.conftest import eventually
from tests.unit.agents.kubelet.builders import Obj

MACHINE = Machine("linux", "amd64", 4, 8 * 1024**3, 100 * 1024**3, "mid", "bid", "6.1", "Debian")
FACTS = n.NodeFacts(
    name="node-1",
    address="127.64.0.1",
    machine=MACHINE,
    runtime=RuntimeVersion("process", "3"),
    labels=n.labels("node-1", MACHINE, {"zone": "a"}),
    capacity=n.capacity(MACHINE, Capacity(), simulated=False),
)
QUICK = Heartbeats(status_seconds=0.05, lease_seconds=0.05, lease_duration_seconds=1)
SLOW = Heartbeats(status_seconds=600, lease_seconds=600, lease_duration_seconds=1200)


@dataclass
class Server:
    """Nodes and leases as an API server would keep them."""

    objects: dict[str, Obj] = field(default_factory=dict)
    away: bool = False
    refusals: int = 0
    writes: list[str] = field(default_factory=list)
    _rv: Any = field(default_factory=lambda: itertools.count(1))

    def put(self, ref: ResourceRef, obj: Obj) -> Obj:
        meta = {"uid": "uid-of-node", **obj["metadata"], "resourceVersion": str(next(self._rv))}
        made = {**copy.deepcopy(obj), "metadata": meta}
        self.objects[ref.resource] = made
        return copy.deepcopy(made)

    def _answer(self) -> None:
        if self.away:
            self.refusals += 1
            raise ApiUnavailable("away")

    def _find(self, ref: ResourceRef) -> Obj:
        self._answer()
        if ref.resource not in self.objects:
            raise not_found(ref.resource, "", "node-1")
        return self.objects[ref.resource]

    async def get(self, ref: ResourceRef, name: str, **_: Any) -> Obj:
        return copy.deepcopy(self._find(ref))

    async def create(self, ref: ResourceRef, obj: Obj, **_: Any) -> Obj:
        self._answer()
        if ref.resource in self.objects:
            raise AlreadyExists("there")
        self.writes.append(f"create {ref.resource}")
        return self.put(ref, obj)

    async def update(self, ref: ResourceRef, obj: Obj, **_: Any) -> Obj:
        known = self._find(ref)
        if known["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            raise Conflict("changed")
        self.writes.append(f"update {ref.resource}")
        return self.put(ref, obj)

    async def patch(self, ref: ResourceRef, name: str, patch: Obj, *, subresource: str = "", **_: Any) -> Obj:
        known = self._find(ref)
        self.writes.append(f"patch {ref.resource}/{subresource}")
        return self.put(ref, strategic.apply(known, copy.deepcopy(patch), schema_for_kind("", "v1", "Node")))

    @property
    def node(self) -> Obj:
        return self.objects.get("nodes", {"status": {}, "metadata": {}})

    def is_ready(self) -> bool:
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.node["status"].get("conditions", ()))


class Told(list[tuple[str, str]]):
    def event(self, obj: Obj, kind: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.append((reason, message))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(node_reporter, "AWAY_SECONDS", 0.02)
    return Server()


class Started:
    def __init__(self, server: Server, beats: Heartbeats) -> None:
        self.runtime = RuntimeStatus(True)
        self.events = Told()
        self.reporter = NodeReporter(FACTS, rest=server, events=self.events, health=self.health, beats=beats)

    async def health(self) -> n.Health:
        return n.Health(self.runtime, None, Pressure())


@asynccontextmanager
async def started(server: Server, beats: Heartbeats = SLOW) -> AsyncIterator[Started]:
    made = Started(server, beats)
    task = asyncio.create_task(made.reporter.run(), name="reporter")
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_node_is_registered_ready_and_has_a_lease(server: Server) -> None:
    async with started(server) as made:
        await eventually(lambda: "leases" in server.objects and server.is_ready(), what="node and lease")
        assert made.reporter.registered
        lease = server.objects["leases"]
        assert lease["metadata"]["namespace"] == "kube-node-lease"
        assert lease["metadata"]["ownerReferences"][0]["uid"] == "uid-of-node"
        assert lease["spec"]["holderIdentity"] == "node-1"
        assert ("NodeReady", "Node node-1 status is now: NodeReady") in made.events
        assert ("Starting", "Starting kubelet.") in made.events


async def test_registration_waits_for_the_api_server(server: Server) -> None:
    server.away = True
    async with started(server) as made:
        await eventually(lambda: server.refusals > 3, what="some tries")
        assert not made.reporter.registered
        server.away = False
        await eventually(server.is_ready, what="the node")


async def test_a_node_of_before_keeps_what_others_gave_it(server: Server) -> None:
    server.put(
        NODES,
        {
            "metadata": {"name": "node-1", "labels": {"mine": "1", "zone": "old"}},
            "spec": {"unschedulable": True},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}, {"type": "Other", "status": "True"}]},
        },
    )
    async with started(server):
        await eventually(server.is_ready, what="the node")
        assert server.node["metadata"]["labels"]["mine"] == "1"
        assert server.node["metadata"]["labels"]["zone"] == "a"
        assert server.node["spec"] == {"unschedulable": True}
        assert "Other" in {c["type"] for c in server.node["status"]["conditions"]}


async def test_a_status_that_others_wrote_is_set_right_at_once(server: Server) -> None:
    async with started(server) as made:
        await eventually(server.is_ready, what="the node")
        unknown = [{**c, "status": "Unknown"} for c in server.node["status"]["conditions"]]
        made.reporter.note(server.put(NODES, {**server.node, "status": {"conditions": unknown}}))
        await eventually(server.is_ready, what="the node, again")
        assert server.node["status"]["capacity"]["cpu"] == "4"


async def test_nothing_is_written_while_nothing_changes(server: Server) -> None:
    async with started(server, QUICK):
        await eventually(lambda: server.writes.count("update leases") >= 5, what="some beats")
        assert server.writes.count("patch nodes/status") == 1


async def test_a_runtime_that_fails_is_told(server: Server) -> None:
    async with started(server, QUICK) as made:
        await eventually(server.is_ready, what="the node")
        made.runtime = RuntimeStatus(False, "disk is read-only")
        await eventually(lambda: not server.is_ready(), what="NotReady")
        await eventually(lambda: "NodeNotReady" in [r for r, _ in made.events], what="the Event")


async def test_a_lease_that_others_touched_is_taken_again(server: Server) -> None:
    async with started(server, QUICK):
        await eventually(lambda: "update leases" in server.writes, what="a renewal")
        server.put(LEASES, {**server.objects["leases"], "spec": {"holderIdentity": "thief"}})
        await eventually(
            lambda: server.objects["leases"]["spec"]["holderIdentity"] == "node-1", what="the lease to be taken again"
        )
        del server.objects["leases"]
        await eventually(lambda: "leases" in server.objects, what="the lease to be made again")


async def test_a_node_that_was_deleted_is_not_registered_again(server: Server) -> None:
    async with started(server, QUICK) as made:
        await eventually(server.is_ready, what="the node")
        del server.objects["nodes"]
        made.runtime = RuntimeStatus(False, "so that there is something to tell")
        before = server.writes.count("update leases")
        await eventually(lambda: server.writes.count("update leases") > before + 3, what="some beats")
        assert "nodes" not in server.objects
