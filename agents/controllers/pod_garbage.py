"""Removes pods whose end no kubelet will ever report, and finished ones beyond a number.

Upstream: pkg/controller/podgc. No kubelet reports: the node is gone (asked for once more before anything is removed),
the node is out of service, or the pod is to be deleted and was never bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import NODES, PODS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import node_decide
from agents.controllers import pods as p
from agents.controllers.node_lifecycle import BY_NODE, by_node
from agents.controllers.settings import ControllerSettings
from agents.controllers.writing import write_status
from apiserver.api.status import NotFound

Obj = dict[str, Any]

FINISHED = "finished"
_ALL_FINISHED = Key("", "finished pods")
_NODE_GONE = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByPodGC",
    "message": "PodGC: node no longer exists",
}


def finished(pod: Obj) -> Iterable[str]:
    """Index function."""
    return [FINISHED] if p.is_finished(pod) else []


class PodGarbageController:
    name = "pod-garbage"

    def __init__(self, agent: Agent, settings: ControllerSettings) -> None:
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._pods.add_index(FINISHED, finished)
        self._settings = settings
        self._missing_since: dict[str, datetime] = {}

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NODES: self._pods_of_node, PODS: self._of_pod}

    def _pods_of_node(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        if delta.new is not None:
            self._missing_since.pop(name, None)
        if delta.new is None or _is_out_of_service(delta.new):
            yield from (_key(pod) for pod in self._pods.by_index(BY_NODE, name))

    def _of_pod(self, delta: Delta) -> Iterable[Key]:
        pod = delta.new
        if pod is None:
            return
        node = pod["spec"].get("nodeName")
        if p.is_terminating(pod) or (node and self._nodes.get("", node) is None):
            yield _key(pod)
        if self._settings.terminated_pod_threshold and p.is_finished(pod):
            yield _ALL_FINISHED

    async def reconcile(self, key: Key) -> Outcome:
        if key == _ALL_FINISHED:
            return await self._thin_out()
        pod = self._pods.get(key.namespace, key.name)
        if pod is None:
            return Done()
        name = pod["spec"].get("nodeName")
        node = self._nodes.get("", name) if name else None
        if name and node is None:
            return await self._orphaned(pod, name)
        lost = node is None or _is_out_of_service(node)
        return await self._remove(pod) if lost and p.is_terminating(pod) else Done()

    async def _orphaned(self, pod: Obj, node: str) -> Outcome:
        now = datetime.now(UTC)
        missing = (now - self._missing_since.setdefault(node, now)).total_seconds()
        left = self._settings.orphan_quarantine_seconds - missing
        if left > 0:
            return RetryAfter(left + 0.1, "the node may come back")
        try:
            await self._rest.get(NODES, node, metadata_only=True)
        except NotFound:
            return await self._remove(pod, _NODE_GONE)
        return RetryAfter(1.0, "the node is there, but was not heard of yet")

    async def _remove(self, pod: Obj, condition: Obj | None = None) -> Outcome:
        """Its controllers see that it failed, also when finalizers keep it; then it is gone without any grace."""
        status = pod.get("status", {})
        if not p.is_finished(pod):
            status = {**status, "phase": "Failed"}
            if condition is not None:
                status = p.with_condition(status, condition, datetime.now(UTC))
            await write_status(self._rest, self._pods, PODS, pod, status)
        await self._delete(pod)
        return Done()

    async def _thin_out(self) -> Outcome:
        done = sorted(self._pods.by_index(FINISHED, FINISHED), key=_finished_order)
        surplus = len(done) - self._settings.terminated_pod_threshold
        for pod in done[: max(0, surplus)]:
            await self._delete(pod)
        return Done()

    async def _delete(self, pod: Obj) -> None:
        meta = pod["metadata"]
        try:
            left = await self._rest.delete(
                PODS, meta["name"], namespace=meta["namespace"], uid=meta["uid"], grace_period_seconds=0
            )
        except NotFound:
            return
        self._pods.learn_deleted(left)


def _finished_order(pod: Obj) -> tuple[bool, str, str]:
    """Evicted pods go first, then the oldest."""
    evicted = pod["status"].get("reason") == "Evicted"
    return (not evicted, pod["metadata"]["creationTimestamp"], pod["metadata"]["name"])


def _is_out_of_service(node: Obj) -> bool:
    """Said by an administrator, who has made sure that nothing runs there."""
    tainted = any(t["key"] == node_decide.OUT_OF_SERVICE for t in node["spec"].get("taints", ()))
    return tainted and not p.is_ready(node)


def _key(pod: Obj) -> Key:
    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
