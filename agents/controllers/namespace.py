"""Empties a namespace that is being deleted, then takes its finalizer away so that it goes.

Every namespaced resource that discovery offers is emptied by a deletecollection; what holds on by finalizers or grace
periods is waited for, and said in the namespace's conditions. Upstream: pkg/controller/namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import NAMESPACES, PODS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from agents.controllers.discovery import Discovery
from apiserver.api.status import Conflict, MethodNotAllowed, NotFound, StatusError

Obj = dict[str, Any]

FINALIZER = "kubernetes"
LOOK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Left:
    """What is still in the namespace after one pass."""

    remaining: dict[str, int]
    finalizers: dict[str, int]
    errors: list[str]

    @property
    def empty(self) -> bool:
        return not self.remaining and not self.errors


class NamespaceController:
    name = "namespace"

    def __init__(self, agent: Agent, discovery: Discovery) -> None:
        self._rest = agent.rest
        self._namespaces = agent.informer(NAMESPACES)
        self._discovery = discovery

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NAMESPACES: _own_key}

    async def reconcile(self, key: Key) -> Outcome:
        namespace = self._namespaces.get("", key.name)
        if namespace is None or not p.is_terminating(namespace):
            return Done()
        if FINALIZER not in namespace["spec"].get("finalizers", ()):
            return Done()
        left = await self._empty(key.name)
        if not left.empty:
            await self._tell(key.name, left)
            return RetryAfter(LOOK_AGAIN_SECONDS, "the namespace is not empty yet")
        return await self._finalize(key.name)

    async def _empty(self, name: str) -> Left:
        remaining: dict[str, int] = {}
        finalizers: dict[str, int] = {}
        errors: list[str] = []
        for ref in await self._discovery.namespaced():
            try:
                await self._empty_resource(ref, name, remaining, finalizers)
            except (MethodNotAllowed, NotFound):
                continue
            except StatusError as err:
                errors.append(f"{ref.resource}: {err.message}")
        return Left(remaining, finalizers, errors)

    async def _empty_resource(
        self, ref: ResourceRef, namespace: str, remaining: dict[str, int], finalizers: dict[str, int]
    ) -> None:
        found = await self._rest.list(ref, namespace=namespace)
        if not found.items:
            return
        grace = 0 if ref == PODS and all(not i["spec"].get("nodeName") for i in found.items) else None
        await self._rest.delete_collection(ref, namespace=namespace, grace_period_seconds=grace)
        left = await self._rest.list(ref, namespace=namespace)
        if left.items:
            remaining[f"{ref.resource}.{ref.group}".rstrip(".")] = len(left.items)
        for item in left.items:
            for finalizer in item["metadata"].get("finalizers", ()):
                finalizers[finalizer] = finalizers.get(finalizer, 0) + 1

    async def _tell(self, name: str, left: Left) -> None:
        current = await self._rest.get(NAMESPACES, name)
        conditions = conditions_of(current, left, datetime.now(UTC))
        if conditions == current.get("status", {}).get("conditions"):
            return
        wanted = {**current, "status": {**current.get("status", {}), "conditions": conditions}}
        self._namespaces.learn(await self._rest.update(NAMESPACES, wanted, subresource="status"))

    async def _finalize(self, name: str) -> Outcome:
        try:
            current = await self._rest.get(NAMESPACES, name)
        except NotFound:
            return Done()
        kept = [f for f in current["spec"].get("finalizers", ()) if f != FINALIZER]
        try:
            await self._rest.update(
                NAMESPACES, {**current, "spec": {**current["spec"], "finalizers": kept}}, subresource="finalize"
            )
        except NotFound:
            return Done()
        except Conflict:
            return RetryAfter(0.05, "the namespace changed meanwhile")
        return Done()


def conditions_of(namespace: Obj, left: Left, now: datetime) -> list[Obj]:
    """The conditions that tell a user why the namespace is still there."""
    remaining = ", ".join(f"{k} has {v} resource instances" for k, v in sorted(left.remaining.items()))
    held = ", ".join(f"{k} in {v} resource instances" for k, v in sorted(left.finalizers.items()))
    made = [
        _condition(
            "NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            bool(left.errors),
            "ContentDeletionFailed" if left.errors else "ContentDeleted",
            "; ".join(left.errors) or "All content successfully deleted, may be waiting on finalization",
        ),
        _condition(
            "NamespaceContentRemaining",
            bool(remaining),
            "SomeResourcesRemain" if remaining else "ContentRemoved",
            f"Some resources are remaining: {remaining}" if remaining else "All content successfully removed",
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            bool(held),
            "SomeFinalizersRemain" if held else "ContentHasNoFinalizers",
            f"Some content in the namespace has finalizers remaining: {held}"
            if held
            else "All content-preserving finalizers finished",
        ),
    ]
    before = {c["type"]: c for c in namespace.get("status", {}).get("conditions", ())}
    return [_stamped(c, before.get(c["type"]), now) for c in made]


def _condition(kind: str, true: bool, reason: str, message: str) -> Obj:
    return {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}


def _stamped(made: Obj, before: Obj | None, now: datetime) -> Obj:
    if before and before["status"] == made["status"]:
        return {**made, "lastTransitionTime": before["lastTransitionTime"]}
    return {**made, "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _own_key(delta: Delta) -> Iterable[Key]:
    yield Key("", delta.object["metadata"]["name"])
