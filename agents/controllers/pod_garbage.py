"""Removes pods whose node is gone, since no kubelet will ever report their end. Upstream: pkg/controller/podgc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import NODES, PODS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import pods as p
from agents.controllers.node_lifecycle import BY_NODE, by_node
from apiserver.api.status import NotFound

Obj = dict[str, Any]

QUARANTINE_SECONDS = 40.0
"""How long a node must be missing: it may only be registering itself again."""


class PodGarbageController:
    name = "pod-garbage"

    def __init__(self, agent: Agent) -> None:
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._missing_since: dict[str, datetime] = {}

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NODES: self._pods_of_node, PODS: self._homeless}

    def _pods_of_node(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        if delta.new is not None:
            self._missing_since.pop(name, None)
            return
        for pod in self._pods.by_index(BY_NODE, name):
            yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _homeless(self, delta: Delta) -> Iterable[Key]:
        pod = delta.new
        node = pod["spec"].get("nodeName") if pod is not None else None
        if pod is not None and ((node and self._nodes.get("", node) is None) or (not node and p.is_terminating(pod))):
            yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])

    async def reconcile(self, key: Key) -> Outcome:
        pod = self._pods.get(key.namespace, key.name)
        if pod is None:
            return Done()
        node = pod["spec"].get("nodeName")
        if not node:
            return await self._remove(pod) if p.is_terminating(pod) else Done()
        if self._nodes.get("", node) is not None:
            self._missing_since.pop(node, None)
            return Done()
        now = datetime.now(UTC)
        missing = (now - self._missing_since.setdefault(node, now)).total_seconds()
        if missing < QUARANTINE_SECONDS:
            return RetryAfter(QUARANTINE_SECONDS - missing + 0.1, "the node may come back")
        return await self._remove(pod)

    async def _remove(self, pod: Obj) -> Outcome:
        meta = pod["metadata"]
        try:
            await self._rest.delete(
                PODS, meta["name"], namespace=meta["namespace"], uid=meta["uid"], grace_period_seconds=0
            )
        except NotFound:
            return Done()
        return Done()
