"""Evicts pods from nodes whose NoExecute taints they do not tolerate, or no longer.

Upstream: pkg/controller/tainteviction. The time that a pod tolerates a taint begins when the taint was added: as the
taint says, else when this process saw it first. So the time does not begin again when the controllers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import NODES, PODS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import node_decide as decide
from agents.controllers import pods as p
from agents.controllers.node_lifecycle import BY_NODE, by_node
from agents.controllers.writing import write_status
from apiserver.api.status import NotFound

Obj = dict[str, Any]

_CONDITION = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "DeletionByTaintManager",
    "message": "Taint manager: deleting due to NoExecute taint",
}


class TaintEvictionController:
    name = "taint-eviction"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._recorder = recorder.named("taint-eviction-controller")
        self._seen: dict[str, dict[tuple[str, str], str]] = {}

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {PODS: _bound_pod, NODES: self._pods_of_node}

    def _pods_of_node(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        old = delta.old["spec"].get("taints", []) if delta.old is not None else []
        new = delta.new["spec"].get("taints", []) if delta.new is not None else []
        self._see(name, new)
        if old != new:
            for pod in self._pods.by_index(BY_NODE, name):
                yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])

    def _see(self, node: str, taints: Iterable[Obj]) -> None:
        """Remember since when taints are there that do not say it themselves."""
        before, now = self._seen.pop(node, {}), p.stamp(datetime.now(UTC))
        places = [(t["key"], t.get("value", "")) for t in taints if not t.get("timeAdded")]
        if places:
            self._seen[node] = {place: before.get(place, now) for place in places}

    def _taints(self, node: Obj) -> list[Obj]:
        seen = self._seen.get(node["metadata"]["name"], {})
        now = p.stamp(datetime.now(UTC))
        return [
            {"timeAdded": seen.get((t["key"], t.get("value", "")), now), **t} for t in node["spec"].get("taints", ())
        ]

    async def reconcile(self, key: Key) -> Outcome:
        pod = self._pods.get(key.namespace, key.name)
        if pod is None or p.is_terminating(pod) or not pod["spec"].get("nodeName"):
            return Done()
        node = self._nodes.get("", pod["spec"]["nodeName"])
        due = decide.evict_in(pod, self._taints(node), datetime.now(UTC)) if node is not None else None
        if due is None:
            return Done()
        if due > 0:
            return RetryAfter(due, "the pod's toleration ends")
        await self._evict(key, pod)
        return Done()

    async def _evict(self, key: Key, pod: Obj) -> None:
        self._recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        status = p.with_condition(pod.get("status", {}), _CONDITION, datetime.now(UTC))
        await write_status(self._rest, self._pods, PODS, pod, status)
        try:
            left = await self._rest.delete(PODS, key.name, namespace=key.namespace, uid=pod["metadata"]["uid"])
        except NotFound:
            return
        self._pods.learn_deleted(left)


def _bound_pod(delta: Delta) -> Iterable[Key]:
    pod = delta.new
    if pod is not None and pod["spec"].get("nodeName"):
        yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
