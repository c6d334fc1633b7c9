"""Keeps as many pods as a ReplicaSet asks for.

What it writes it also learns at once (`informer.learn`): the answer of a write carries its resourceVersion, so the next
reconcile counts the pods that this one made, without waiting to hear of them. Where an answer was lost, the set's pods
are listed before the next try, so that no pod is made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import PODS, REPLICASETS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from agents.controllers import replicaset_decide as decide
from agents.controllers.ownership import BY_OWNER, ORPHANS, by_controller, controller_of, orphan, selects
from agents.controllers.writing import claim, write_status
from apiserver.api.status import NotFound, ServerTimeout, StatusError

Obj = dict[str, Any]

FAILED_AGAIN_SECONDS = 5.0


class ReplicaSetController:
    name = "replicaset"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._sets = agent.informer(REPLICASETS)
        self._sets.add_index(BY_OWNER, by_controller)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_OWNER, by_controller)
        self._pods.add_index(ORPHANS, orphan)
        self._recorder = recorder.named("replicaset-controller")
        self._doubtful: set[Key] = set()

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {REPLICASETS: _own_key, PODS: self._sets_of_pod}

    def _sets_of_pod(self, delta: Delta) -> Iterable[Key]:
        for obj in (delta.old, delta.new):
            if obj is None:
                continue
            reference = controller_of(obj)
            namespace = obj["metadata"].get("namespace", "")
            if reference is not None:
                if reference["kind"] == "ReplicaSet":
                    yield Key(namespace, reference["name"])
            elif obj["metadata"].get("labels"):
                yield from (
                    Key(namespace, rs["metadata"]["name"]) for rs in self._sets.list(namespace) if selects(rs, obj)
                )

    async def reconcile(self, key: Key) -> Outcome:
        rs = self._sets.get(key.namespace, key.name)
        if rs is None:
            self._doubtful.discard(key)
            return Done()
        if key in self._doubtful:
            await self._catch_up(key, rs)
        owned = await claim(self._rest, self._pods, PODS, rs, REPLICASETS, may_adopt=p.is_active)
        plan = decide.plan(rs, owned, self._related(rs), datetime.now(UTC))
        failure = await self._carry_out(key, rs, plan)
        status, wait = decide.status(rs, self._owned(rs), datetime.now(UTC), failure=failure)
        await write_status(self._rest, self._sets, REPLICASETS, rs, status)
        if failure is not None:
            return RetryAfter(FAILED_AGAIN_SECONDS, failure.message)
        return RetryAfter(wait + 0.05, "a pod becomes available") if wait else Done()

    async def _catch_up(self, key: Key, rs: Obj) -> None:
        labels = rs["spec"]["selector"].get("matchLabels", {})
        selector = ",".join(f"{k}={v}" for k, v in labels.items())
        for pod in (await self._rest.list(PODS, namespace=key.namespace, label_selector=selector)).items:
            self._pods.learn(pod)
        self._doubtful.discard(key)

    def _owned(self, rs: Obj) -> Sequence[Obj]:
        return self._pods.by_index(BY_OWNER, rs["metadata"]["uid"])

    def _related(self, rs: Obj) -> Sequence[Obj]:
        """The pods of all sets of the same owner."""
        reference = controller_of(rs)
        sets = self._sets.by_index(BY_OWNER, reference["uid"]) if reference is not None else [rs]
        return [pod for one in sets for pod in self._owned(one)]

    async def _carry_out(self, key: Key, rs: Obj, plan: decide.Plan) -> decide.Failure | None:
        try:
            return await self._delete(rs, plan.delete) or await self._create(rs, plan.create)
        except (ApiUnavailable, ServerTimeout):
            self._doubtful.add(key)
            raise

    async def _create(self, rs: Obj, count: int) -> decide.Failure | None:
        """Create in batches of 1, 2, 4, …: when the first fails (a quota, say), the rest is not tried."""
        size = 1
        while count > 0:
            batch = min(size, count)
            results = await asyncio.gather(*(self._create_one(rs) for _ in range(batch)), return_exceptions=True)
            errors = _refusals(results)
            if errors:
                return self._failed_create(rs, errors)
            count -= batch
            size *= 2
        return None

    async def _create_one(self, rs: Obj) -> None:
        pod = decide.pod_from_template(rs, "apps/v1", "ReplicaSet")
        made = await self._rest.create(PODS, pod, namespace=rs["metadata"]["namespace"])
        self._pods.learn(made)
        self._recorder.event(rs, "Normal", "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    def _failed_create(self, rs: Obj, errors: Sequence[StatusError]) -> decide.Failure | None:
        """In a namespace that is being emptied nothing can be made, and nothing is missed."""
        if any(cause.reason == "NamespaceTerminating" for error in errors for cause in error.causes):
            return None
        return self._failed(rs, decide.FAILED_CREATE, "creating", errors)

    async def _delete(self, rs: Obj, pods: Sequence[Obj]) -> decide.Failure | None:
        results = await asyncio.gather(*(self._delete_one(rs, pod) for pod in pods), return_exceptions=True)
        errors = _refusals(results)
        return self._failed(rs, decide.FAILED_DELETE, "deleting", errors) if errors else None

    async def _delete_one(self, rs: Obj, pod: Obj) -> None:
        meta = pod["metadata"]
        try:
            left = await self._rest.delete(PODS, meta["name"], namespace=meta["namespace"], uid=meta["uid"])
        except NotFound:
            return
        self._pods.learn_deleted(left)
        self._recorder.event(rs, "Normal", "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    def _failed(self, rs: Obj, reason: str, doing: str, errors: Sequence[StatusError]) -> decide.Failure:
        for error in errors:
            self._recorder.event(rs, "Warning", reason, f"Error {doing}: {error.message}")
        return decide.Failure(reason, errors[0].message)


def _refusals(results: Iterable[BaseException | None]) -> list[StatusError]:
    """What the API server refused. Raises everything else: an unreachable API server is the runtime's business."""
    refusals: list[StatusError] = []
    for result in results:
        if isinstance(result, StatusError) and not isinstance(result, ApiUnavailable | ServerTimeout):
            refusals.append(result)
        elif isinstance(result, BaseException):
            raise result
    return refusals


def _own_key(delta: Delta) -> Iterable[Key]:
    meta = delta.object["metadata"]
    yield Key(meta.get("namespace", ""), meta["name"])
