"""One node towards the API: registered once, then its status when it changed and its lease at every beat.

The status is computed every `status_seconds` and written when it says something new, at least every
`status_at_least_seconds`; at once when the API holds something else than the truth (the node controller declared a
silent node Unknown). While the API server is away everything is tried again every second. A Node that somebody
deletes is not registered again before the kubelet's next start, as upstream. Beats of many nodes in one process are
spread out by `offset`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from agents.client.resources import LEASES, NODES, ResourceRef
from agents.client.rest import MERGE, STRATEGIC, ApiUnavailable
from agents.kubelet.admission import NodeView
from agents.kubelet.host import Events
from agents.kubelet.node_object import (
    Health,
    NodeFacts,
    conditions,
    missing_labels,
    node_object,
    node_status,
    status_patch,
)
from agents.kubelet.settings import Heartbeats
from apiserver.api.status import AlreadyExists, Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
AWAY_SECONDS = 1.0
JITTER = 0.04


class NodeClient(Protocol):
    """The part of `RestClient` that a reporter needs."""

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "") -> Obj: ...

    async def create(self, ref: ResourceRef, obj: Obj, *, namespace: str = "") -> Obj: ...

    async def update(self, ref: ResourceRef, obj: Obj) -> Obj: ...

    async def patch(
        self, ref: ResourceRef, name: str, patch: Any, *, subresource: str = "", content_type: str = MERGE
    ) -> Obj: ...


class NodeReporter:
    def __init__(
        self,
        facts: NodeFacts,
        *,
        rest: NodeClient,
        events: Events,
        health: Callable[[], Awaitable[Health]],
        beats: Heartbeats,
        offset: float = 0.0,
    ) -> None:
        """`offset`: which part of a period this node's beats come late, 0 to 1."""
        self.facts = facts
        self._rest = rest
        self._events = events
        self._health = health
        self._beats = beats
        self._offset = offset
        self._node: Obj | None = None
        self._lease: Obj | None = None
        self._wake = asyncio.Event()
        self._told_at = 0.0
        self._in_vain: Obj = {}

    @property
    def name(self) -> str:
        return self.facts.name

    @property
    def registered(self) -> bool:
        return self._node is not None

    def view(self) -> NodeView:
        """What pods are admitted by."""
        labels = (self._node or {}).get("metadata", {}).get("labels") or self.facts.labels
        return NodeView(self.name, labels, self.facts.capacity, self.facts.machine.operating_system)

    def note(self, node: Obj) -> None:
        """The Node as the API holds it now."""
        if self._node is None:
            return
        self._node = node
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._persist(self._register)
        log.info("node registered", node=self.name)
        self._events.event(_reference(self.name), "Normal", "Starting", "Starting kubelet.")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_status(), name=f"node-status-{self.name}")
            group.create_task(self._keep_lease(), name=f"node-lease-{self.name}")

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        """Do it until it is done."""
        refusals = 0
        while True:
            try:
                await step()
            except ApiUnavailable as err:
                log.debug("node waits for the API server", node=self.name, why=err.message)
            except StatusError as err:
                refusals += 1
                if refusals in (1, 10):
                    log.warning("node cannot report", node=self.name, why=err.message, tries=refusals)
            else:
                return
            await asyncio.sleep(AWAY_SECONDS)

    # Registration

    async def _register(self) -> None:
        fresh = conditions((), await self._health(), _now())
        try:
            self._node = await self._rest.create(NODES, node_object(self.facts, fresh))
        except AlreadyExists:
            self._node = await self._adopt()

    async def _adopt(self) -> Obj:
        """The Node of an earlier run: what others put there stays, our labels are set again."""
        node = await self._rest.get(NODES, self.name)
        labels = missing_labels(node, self.facts.labels)
        if labels:
            node = await self._rest.patch(NODES, self.name, {"metadata": {"labels": labels}})
        return node

    # Status

    async def _keep_status(self) -> None:
        while True:
            self._wake.clear()
            await self._persist(self._report)
            try:
                async with asyncio.timeout(_jittered(self._beats.status_seconds)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _report(self) -> None:
        node = self._node or {}
        known = (node.get("status") or {}).get("conditions") or ()
        fresh = conditions(known, await self._health(), _now())
        wanted = node_status(self.facts, fresh)
        patch = status_patch(node, wanted)
        if patch == self._in_vain:
            patch = {}
        now = asyncio.get_running_loop().time()
        if not patch and self._told_at and now - self._told_at < self._beats.status_at_least_seconds:
            return
        patch["conditions"] = fresh
        try:
            self._node = await self._rest.patch(
                NODES, self.name, {"status": patch}, subresource="status", content_type=STRATEGIC
            )
        except NotFound:
            log.warning("the node was deleted from the API; restart the kubelet to register it again", node=self.name)
            self._told_at = now
            return
        # What the API keeps differently although it was just told must not be sent in a circle.
        self._in_vain = status_patch(self._node, wanted)
        self._tell_transition(known, fresh, first=not self._told_at)
        self._told_at = now

    def _tell_transition(self, known: Any, fresh: list[Obj], *, first: bool) -> None:
        before = next((c.get("status") for c in known if c.get("type") == "Ready"), None)
        after = next(c["status"] for c in fresh if c["type"] == "Ready")
        if before == after and not (first and after == "True"):
            return
        reason = "NodeReady" if after == "True" else "NodeNotReady"
        self._events.event(_reference(self.name), "Normal", reason, f"Node {self.name} status is now: {reason}")

    # Lease

    async def _keep_lease(self) -> None:
        await self._persist(self._renew)
        await asyncio.sleep(self._offset * self._beats.lease_seconds)
        while True:
            await self._persist(self._renew)
            await asyncio.sleep(_jittered(self._beats.lease_seconds))

    async def _renew(self) -> None:
        stamp = _now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if self._lease is None:
            self._lease = await self._find_lease(stamp)
            return
        spec = {**self._lease["spec"], **self._holding(stamp)}
        try:
            self._lease = await self._rest.update(LEASES, {**self._lease, "spec": spec})
        except (Conflict, NotFound):  # somebody else wrote it, or removed it: look, and take it again
            self._lease = await self._find_lease(stamp)

    async def _find_lease(self, stamp: str) -> Obj:
        meta: Obj = {"name": self.name, "namespace": LEASE_NAMESPACE}
        if self._node is not None:
            owner = {"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": self._node["metadata"]["uid"]}
            meta["ownerReferences"] = [owner]
        kind = {"apiVersion": LEASES.api_version, "kind": LEASES.kind}
        try:
            return await self._rest.create(
                LEASES, {**kind, "metadata": meta, "spec": self._holding(stamp)}, namespace=LEASE_NAMESPACE
            )
        except AlreadyExists:
            lease = await self._rest.get(LEASES, self.name, namespace=LEASE_NAMESPACE)
            wanted = {**lease, "spec": {**(lease.get("spec") or {}), **self._holding(stamp)}}
            if "ownerReferences" in meta:
                wanted["metadata"] = {**lease["metadata"], "ownerReferences": meta["ownerReferences"]}
            return await self._rest.update(LEASES, wanted)

    def _holding(self, stamp: str) -> Obj:
        return {
            "holderIdentity": self.name,
            "leaseDurationSeconds": self._beats.lease_duration_seconds,
            "renewTime": stamp,
        }


def _now() -> datetime:
    return datetime.now(UTC)


def _jittered(seconds: float) -> float:
    return seconds * (1 + random.uniform(-JITTER, JITTER))  # noqa: S311  spreads load, guards nothing


def _reference(name: str) -> Obj:
    """How Events name a node: its uid is its name, as upstream's kubelet has it."""
    return {"kind": "Node", "apiVersion": "v1", "metadata": {"name": name, "uid": name}}
