"""Keeps as many pods as a ReplicaSet asks for.

What it writes it also learns at once (`informer.learn`): the answer of a write carries its resourceVersion, so the next
reconcile counts the pods that this one made, without waiting to hear of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import PODS, REPLICASETS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from agents.controllers import replicaset_decide as decide
from agents.controllers.writing import drop_owner, take_over, write_status
from apiserver.api.status import NotFound, StatusError

Obj = dict[str, Any]

BY_OWNER = "controller-uid"
ORPHANS = "orphans"


def by_controller(obj: Obj) -> Iterable[str]:
    """Index function: the uid of the controller, if any."""
    reference = p.controller_of(obj)
    return [reference["uid"]] if reference else []


def orphan(obj: Obj) -> Iterable[str]:
    """Index function: the namespace of objects that nobody controls."""
    return [] if p.controller_of(obj) else [obj["metadata"].get("namespace", "")]


class ReplicaSetController:
    name = "replicaset"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._sets = agent.informer(REPLICASETS)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_OWNER, by_controller)
        self._pods.add_index(ORPHANS, orphan)
        self._recorder = recorder

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {REPLICASETS: _own_key, PODS: self._sets_of_pod}

    def _sets_of_pod(self, delta: Delta) -> Iterable[Key]:
        for obj in (delta.old, delta.new):
            if obj is None:
                continue
            reference = p.controller_of(obj)
            namespace = obj["metadata"].get("namespace", "")
            if reference is not None:
                if reference["kind"] == "ReplicaSet":
                    yield Key(namespace, reference["name"])
            else:
                labels = obj["metadata"].get("labels", {})
                for rs in self._sets.list(namespace):
                    if labels and decide.selects(rs, labels):
                        yield Key(namespace, rs["metadata"]["name"])

    async def reconcile(self, key: Key) -> Outcome:
        rs = self._sets.get(key.namespace, key.name)
        if rs is None:
            return Done()
        now = datetime.now(UTC)
        owned = await self._claim(rs)
        plan = decide.plan(rs, owned, now)
        failure = await self._delete(rs, plan.delete) or await self._create(rs, plan.create)
        after = self._owned(rs)
        status, wait = decide.status(rs, after, datetime.now(UTC), failure=failure)
        await write_status(self._rest, self._sets, REPLICASETS, rs, status)
        if failure:
            return RetryAfter(5.0, failure)
        return RetryAfter(wait + 0.05, "a pod becomes available") if wait else Done()

    def _owned(self, rs: Obj) -> list[Obj]:
        return list(self._pods.by_index(BY_OWNER, rs["metadata"]["uid"]))

    async def _claim(self, rs: Obj) -> list[Obj]:
        candidates = self._owned(rs) + list(self._pods.by_index(ORPHANS, rs["metadata"]["namespace"]))
        claims = decide.claim(rs, candidates)
        for pod in claims.release:
            await drop_owner(self._rest, self._pods, PODS, pod, rs["metadata"]["uid"])
        adopted = [
            await take_over(self._rest, self._pods, PODS, pod, p.owner_reference(rs, "apps/v1", "ReplicaSet"))
            for pod in claims.adopt
        ]
        return [*claims.owned, *(a for a in adopted if a is not None)]

    async def _create(self, rs: Obj, count: int) -> str:
        """Create in batches of 1, 2, 4, …: when the first fails (a quota, say), the rest is not tried.

        Returns the reason of a failure, or an empty string."""
        size = 1
        while count > 0:
            batch = min(size, count)
            results = await asyncio.gather(*(self._create_one(rs) for _ in range(batch)), return_exceptions=True)
            failed = next((r for r in results if isinstance(r, BaseException)), None)
            if failed is not None:
                return self._failed(rs, "FailedCreate", "creating", failed)
            count -= batch
            size *= 2
        return ""

    async def _create_one(self, rs: Obj) -> None:
        pod = decide.pod_from_template(rs, "apps/v1", "ReplicaSet")
        made = await self._rest.create(PODS, pod, namespace=rs["metadata"]["namespace"])
        self._pods.learn(made)
        self._recorder.event(rs, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    async def _delete(self, rs: Obj, pods: Iterable[Obj]) -> str:
        results = await asyncio.gather(*(self._delete_one(rs, pod) for pod in pods), return_exceptions=True)
        failed = next((r for r in results if isinstance(r, BaseException)), None)
        return self._failed(rs, "FailedDelete", "deleting", failed) if failed is not None else ""

    async def _delete_one(self, rs: Obj, pod: Obj) -> None:
        meta = pod["metadata"]
        try:
            left = await self._rest.delete(PODS, meta["name"], namespace=meta["namespace"], uid=meta["uid"])
        except NotFound:
            return
        if left is not None and left.get("kind") == "Pod" and left["metadata"].get("deletionTimestamp"):
            self._pods.learn(left)
        self._recorder.event(rs, "Normal", "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def _failed(self, rs: Obj, reason: str, doing: str, error: BaseException) -> str:
        """A refusal is told in the status and as an Event; an unreachable API server is the runtime's business."""
        if not isinstance(error, StatusError) or isinstance(error, ApiUnavailable):
            raise error
        self._recorder.event(rs, "Warning", reason, f"Error {doing}: {error.message}")
        return error.message


def _own_key(delta: Delta) -> Iterable[Key]:
    meta = delta.object["metadata"]
    yield Key(meta.get("namespace", ""), meta["name"])
