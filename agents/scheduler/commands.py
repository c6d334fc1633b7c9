"""What the scheduler tells the API server: bindings, conditions, and the Events that go with them.

`bind` answers only when the outcome is known: after an answer that was lost on its way it asks for the pod until it
gets one, and until then the placement stays assumed.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import structlog

from agents.client.events import EventRecorder
from agents.client.informer import Informer
from agents.client.resources import PODS
from agents.client.rest import STRATEGIC, MayNotWrite, RestClient
from agents.scheduler import conditions
from agents.scheduler.podinfo import SCHEDULER_NAME, PodInfo
from apiserver.api.status import Conflict, NotFound, StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

ASK_AGAIN_SECONDS = 0.5


class NotBound(Exception):
    """The pod was not bound to this node. `expected`: it is gone, changed, or elsewhere, and its change will tell."""

    def __init__(self, message: str, *, expected: bool) -> None:
        super().__init__(message)
        self.expected = expected


class Commands:
    def __init__(self, rest: RestClient, recorder: EventRecorder, pods: Informer) -> None:
        self._rest = rest
        self._recorder = recorder
        self._pods = pods

    async def bind(self, pod: PodInfo, node: str) -> None:
        """Raises NotBound."""
        try:
            await self._rest.bind(pod.key.namespace, pod.key.name, node, uid=pod.uid)
        except (Conflict, NotFound, MayNotWrite) as err:
            raise NotBound(err.message, expected=True) from err
        except StatusError as err:
            if err.code < 500 or await self._node_of(pod) != node:
                raise NotBound(err.message, expected=err.code >= 500) from err
        message = f"Successfully assigned {pod.key.namespace}/{pod.key.name} to {node}"
        obj = self._current(pod)
        if obj is not None:
            self._recorder.event(obj, "Normal", "Scheduled", message)

    async def _node_of(self, pod: PodInfo) -> str:
        """Where the pod is bound now; asked until there is an answer. Empty: nowhere, or it is gone."""
        while True:
            try:
                found = await self._rest.get(PODS, pod.key.name, namespace=pod.key.namespace)
            except NotFound:
                return ""
            except StatusError as err:
                log.info("outcome of a binding is not known yet", pod="/".join(pod.key), why=err.message)
                await asyncio.sleep(ASK_AGAIN_SECONDS)
                continue
            return str(found["spec"].get("nodeName") or "") if found["metadata"].get("uid") == pod.uid else ""

    async def explain(self, pod: PodInfo, reason: str, message: str, *, nominated: str | None = None) -> None:
        """Say why a pod is not placed. What cannot be said now is said at the next try."""
        obj = self._current(pod)
        if obj is None:
            return
        self._recorder.event(obj, "Warning", "FailedScheduling", conditions.event_text(message))
        patch = conditions.not_scheduled(obj, reason, message, datetime.now(UTC), nominated=nominated)
        if patch is not None:
            await self.patch_status(pod, patch)

    async def evict(self, victim: PodInfo, preemptor: PodInfo, node: str) -> None:
        """Make room: the victim is told why, and deleted. Raises StatusError when it could not be deleted."""
        obj = self._current(victim)
        if obj is None or victim.terminating:
            return
        patch = conditions.disrupted(obj, SCHEDULER_NAME, datetime.now(UTC))
        if patch is not None and not await self.patch_status(victim, patch):
            return
        try:
            await self._rest.delete(PODS, victim.key.name, namespace=victim.key.namespace, uid=victim.uid)
        except NotFound:
            return
        log.info("preempted", victim="/".join(victim.key), pod="/".join(preemptor.key), node=node)
        self._recorder.event(obj, "Normal", "Preempted", f"Preempted by pod {preemptor.uid} on node {node}")

    async def withdraw_promise(self, pod: PodInfo) -> None:
        obj = self._current(pod)
        if obj is not None and (obj.get("status") or {}).get("nominatedNodeName"):
            await self.patch_status(pod, conditions.withdrawn(obj))

    async def patch_status(self, pod: PodInfo, patch: Obj) -> bool:
        """False when it is not written: the pod is gone, or the API server would not."""
        try:
            patched = await self._rest.patch(
                PODS,
                pod.key.name,
                patch,
                namespace=pod.key.namespace,
                subresource="status",
                content_type=STRATEGIC,
            )
        except NotFound:
            return False
        except StatusError as err:
            log.warning("status of a pod not written", pod="/".join(pod.key), why=err.message)
            return False
        self._pods.learn(patched)
        return True

    def _current(self, pod: PodInfo) -> Obj | None:
        """The pod as it is known now, unless another took its name."""
        found = self._pods.get(*pod.key)
        return found if found is not None and found["metadata"].get("uid") == pod.uid else None
