"""Marks silent nodes, taints them, and evicts what may not stay.

Two controllers: one per node (health and taints), one per pod (eviction by NoExecute taints). A node's lease renewals
do not wake anybody; the next look at a node is due when its grace would end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import LEASES, NODES, PODS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import node_decide as decide
from agents.controllers import pods as p
from agents.controllers.writing import write_status
from apiserver.api.status import NotFound

Obj = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
BY_NODE = "node-name"


def by_node(pod: Obj) -> Iterable[str]:
    """Index function: the node a pod is bound to."""
    name = pod["spec"].get("nodeName")
    return [name] if name else []


class NodeLifecycleController:
    name = "node-lifecycle"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._leases = agent.informer(LEASES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._recorder = recorder
        self._started = datetime.now(UTC)

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NODES: _own_key}

    async def reconcile(self, key: Key) -> Outcome:
        node = self._nodes.get("", key.name)
        if node is None:
            return Done()
        now = datetime.now(UTC)
        lease = self._leases.get(LEASE_NAMESPACE, key.name)
        # After an outage of this controller's own, nodes get a full grace before they are judged.
        heard = max(decide.silent_since(node, lease), self._started)
        if now - heard > decide.GRACE:
            node = await self._mark_silent(node, now)
        await self._taint(node, now)
        due = (heard + decide.GRACE - now).total_seconds()
        return RetryAfter(due + 0.5 if due > 0 else decide.GRACE.total_seconds(), "look at the node's lease again")

    async def _mark_silent(self, node: Obj, now: datetime) -> Obj:
        conditions = decide.unknown_conditions(node, now)
        was_ready = p.is_ready(node)
        status = {**node.get("status", {}), "conditions": conditions}
        await write_status(self._rest, self._nodes, NODES, node, status)
        name = node["metadata"]["name"]
        if was_ready:
            self._recorder.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in list(self._pods.by_index(BY_NODE, name)):
            lost = decide.pod_not_ready(pod, now)
            if lost is not None:
                await write_status(self._rest, self._pods, PODS, pod, lost)
        return self._nodes.get("", name) or {**node, "status": status}

    async def _taint(self, node: Obj, now: datetime) -> None:
        taints = decide.wanted_taints(node, now)
        if taints == node["spec"].get("taints", []):
            return
        patch = {"spec": {"taints": taints or None}}
        meta = node["metadata"]
        self._nodes.learn(await self._rest.patch(NODES, meta["name"], patch, resource_version=meta["resourceVersion"]))


class TaintEvictionController:
    name = "taint-eviction"

    def __init__(self, agent: Agent, recorder: EventRecorder) -> None:
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._recorder = recorder

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {PODS: _bound_pod, NODES: self._pods_of_node}

    def _pods_of_node(self, delta: Delta) -> Iterable[Key]:
        old = (delta.old or {"spec": {}})["spec"].get("taints", [])
        new = (delta.new or {"spec": {}})["spec"].get("taints", [])
        if old != new:
            for pod in self._pods.by_index(BY_NODE, delta.object["metadata"]["name"]):
                yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])

    async def reconcile(self, key: Key) -> Outcome:
        pod = self._pods.get(key.namespace, key.name)
        if pod is None or p.is_terminating(pod) or not pod["spec"].get("nodeName"):
            return Done()
        node = self._nodes.get("", pod["spec"]["nodeName"])
        taints = node["spec"].get("taints", []) if node else []
        due = decide.evict_in(pod, taints, datetime.now(UTC))
        if due is None:
            return Done()
        if due > 0:
            return RetryAfter(due, "the pod's toleration ends")
        self._recorder.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}")
        await self._add_disruption_condition(pod)
        try:
            await self._rest.delete(PODS, key.name, namespace=key.namespace, uid=pod["metadata"]["uid"])
        except NotFound:
            return Done()
        return Done()

    async def _add_disruption_condition(self, pod: Obj) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        others = [c for c in pod.get("status", {}).get("conditions", ()) if c["type"] != "DisruptionTarget"]
        status = {**pod.get("status", {}), "conditions": [*others, condition]}
        await write_status(self._rest, self._pods, PODS, pod, status)


def _own_key(delta: Delta) -> Iterable[Key]:
    yield Key("", delta.object["metadata"]["name"])


def _bound_pod(delta: Delta) -> Iterable[Key]:
    pod = delta.new
    if pod is not None and pod["spec"].get("nodeName"):
        yield Key(pod["metadata"]["namespace"], pod["metadata"]["name"])
