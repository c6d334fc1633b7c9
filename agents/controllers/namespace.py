"""Empties a namespace that is being deleted, then takes its finalizer away so that it goes.

Pods go first; while any is left, nothing else is touched. Then every namespaced resource that discovery offers is
emptied by a deletecollection. What holds on by finalizers or grace periods is waited for, and said in the namespace's
conditions; the end of the last object of a resource brings the next pass. Upstream: pkg/controller/namespace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import NAMESPACES, PODS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from agents.controllers.discovery import Discovery
from agents.controllers.namespace_decide import Left, conditions
from apiserver.api.status import MethodNotAllowed, NotFound, StatusError

Obj = dict[str, Any]

FINALIZER = "kubernetes"
LOOK_SECONDS = 1.0
_AT_ONCE = 8


class NamespaceController:
    """`refs`: what is heard of. What is in a namespace is asked of the API server."""

    name = "namespace"

    def __init__(self, agent: Agent, discovery: Discovery, refs: Sequence[ResourceRef]) -> None:
        self._rest = agent.rest
        self._namespaces = agent.informer(NAMESPACES)
        self._content = {ref: agent.informer(ref, metadata_only=True) for ref in refs if ref.namespaced}
        self._discovery = discovery

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NAMESPACES: _own_key, **dict.fromkeys(self._content, self._emptied)}

    def _emptied(self, delta: Delta) -> Iterable[Key]:
        """The last object of a resource left a namespace that waits for that."""
        name = delta.object["metadata"].get("namespace", "")
        namespace = self._namespaces.get("", name)
        if delta.new is not None or namespace is None or not p.is_terminating(namespace):
            return
        if next(self._content[delta.ref].list(name), None) is None:
            yield Key("", name)

    async def reconcile(self, key: Key) -> Outcome:
        namespace = self._namespaces.get("", key.name)
        if namespace is None or not p.is_terminating(namespace):
            return Done()
        if FINALIZER not in namespace["spec"].get("finalizers", ()):
            return Done()
        left = await self._empty(key.name)
        if left.empty:
            return await self._finalize(namespace)
        await self._tell(namespace, left)
        return RetryAfter(LOOK_SECONDS + left.seconds / 2, "the namespace is not empty yet")

    async def _empty(self, name: str) -> Left:
        """One pass. Pods are the only ones as long as there are any."""
        left = Left()
        await self._empty_resource(PODS, name, left)
        if not left.empty:
            return left
        try:
            refs = [ref for ref in await self._discovery.namespaced() if ref.resource != PODS.resource or ref.group]
        except ApiUnavailable:
            raise
        except StatusError as err:
            left.undiscovered = err.message
            return left
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(ref: ResourceRef) -> None:
            async with gate:
                await self._empty_resource(ref, name, left)

        await asyncio.gather(*(one(ref) for ref in refs))
        return left

    async def _empty_resource(self, ref: ResourceRef, namespace: str, left: Left) -> None:
        """An API server that is away is the runtime's business; everything else is told."""
        try:
            found = await self._rest.list(ref, namespace=namespace, metadata_only=True)
            if not found.items:
                return
            await self._rest.delete_collection(ref, namespace=namespace, propagation_policy="Background")
            found = await self._rest.list(ref, namespace=namespace, metadata_only=True)
        except (MethodNotAllowed, NotFound):
            return
        except ApiUnavailable:
            raise
        except StatusError as err:
            left.errors.append(err.message)
            return
        left.count(ref, found.items, datetime.now(UTC))

    async def _tell(self, namespace: Obj, left: Left) -> None:
        made = conditions(namespace, left, datetime.now(UTC))
        if made == namespace.get("status", {}).get("conditions"):
            return
        wanted = {**namespace, "status": {**namespace.get("status", {}), "conditions": made}}
        try:
            self._namespaces.learn(await self._rest.update(NAMESPACES, wanted, subresource="status"))
        except NotFound:
            return

    async def _finalize(self, namespace: Obj) -> Outcome:
        """Raises Conflict when the namespace changed meanwhile: then it is looked at again."""
        kept = [f for f in namespace["spec"].get("finalizers", ()) if f != FINALIZER]
        wanted = {**namespace, "spec": {**namespace["spec"], "finalizers": kept}}
        try:
            await self._rest.update(NAMESPACES, wanted, subresource="finalize")
        except NotFound:
            return Done()
        return Done()


def _own_key(delta: Delta) -> Iterable[Key]:
    yield Key("", delta.object["metadata"]["name"])
