"""Marks silent nodes and taints them.

A node is heard of when its lease is renewed or its kubelet posts a status; when, is told by this process's own clock.
Before a node is marked, its lease is read once more: a node whose renewals only did not get here is not silent. While
the stream or the API server is away, nobody can be heard of; nobody is judged then, and everybody gets a full grace
period afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import LEASES, NODES, PODS, ResourceRef
from agents.client.rest import ApiUnavailable
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import node_decide as decide
from agents.controllers import pods as p
from agents.controllers.settings import ControllerSettings
from agents.controllers.writing import write_status
from apiserver.api.status import NotFound

Obj = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
BY_NODE = "node-name"
LOOK_SECONDS = 5.0
"""How often a node that is not well is looked at (upstream: `--node-monitor-period`)."""
_STATES_SECONDS = 1.0


def by_node(pod: Obj) -> Iterable[str]:
    """Index function: the node a pod is bound to."""
    name = pod["spec"].get("nodeName")
    return [name] if name else []


class NodeLifecycleController:
    name = "node-lifecycle"

    def __init__(
        self,
        agent: Agent,
        recorder: EventRecorder,
        settings: ControllerSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent
        self._rest = agent.rest
        self._nodes = agent.informer(NODES)
        self._leases = agent.informer(LEASES)
        self._pods = agent.informer(PODS)
        self._pods.add_index(BY_NODE, by_node)
        self._recorder = recorder.named("node-controller")
        self._settings = settings
        self._clock = clock
        self._beats: dict[str, tuple[str, str]] = {}
        self._heard: dict[str, float] = {}
        self._deaf_until = float("-inf")
        self._next_taint: dict[str, float] = {}
        self._states: Mapping[str, tuple[decide.Zone, int]] = {}
        self._states_at = float("-inf")

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NODES: self._of_node, LEASES: self._of_lease}

    def _of_node(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        self._hear(name, delta.new, self._leases.get(LEASE_NAMESPACE, name))
        yield Key("", name)

    def _of_lease(self, delta: Delta) -> Iterable[Key]:
        meta = delta.object["metadata"]
        if meta.get("namespace") == LEASE_NAMESPACE:
            self._hear(meta["name"], self._nodes.get("", meta["name"]), delta.new)
        return ()

    def _hear(self, name: str, node: Obj | None, lease: Obj | None) -> bool:
        """Whether there is a sign of life that was not seen before."""
        beat = decide.heartbeat(node, lease)
        if self._beats.get(name) == beat:
            return False
        self._beats[name] = beat
        self._heard[name] = self._clock()
        return True

    async def reconcile(self, key: Key) -> Outcome:
        node = self._nodes.get("", key.name)
        if node is None:
            self._forget(key.name)
            return Done()
        if key.name not in self._heard:
            self._heard[key.name] = self._clock()
        if not self._agent.ready:
            self._deaf_until = self._clock()
            return RetryAfter(LOOK_SECONDS, "nothing can be heard at present")
        left = max(self._heard[key.name], self._deaf_until) + self._grace(node) - self._clock()
        if left <= 0 and await self._is_silent(node):
            node = await self._mark_silent(node)
        wait = await self._taint(node)
        return RetryAfter(wait or max(left, LOOK_SECONDS), "look at the node again")

    def _forget(self, name: str) -> None:
        self._heard.pop(name, None)
        self._beats.pop(name, None)

    def _grace(self, node: Obj) -> float:
        if p.condition(node, "Ready") is not None:
            return self._settings.node_monitor_grace_seconds
        return self._settings.node_startup_grace_seconds

    async def _is_silent(self, node: Obj) -> bool:
        """Also when asked: what it said may be on its way."""
        ready = p.condition(node, "Ready")
        if ready is not None and ready["status"] == "Unknown":
            return True
        name = node["metadata"]["name"]
        try:
            current = await self._rest.get(NODES, name)
            lease = await self._rest.get(LEASES, name, namespace=LEASE_NAMESPACE)
        except NotFound as err:
            if err.kind == NODES.resource:
                return False
            lease = None
        except ApiUnavailable:
            self._deaf_until = self._clock()
            raise
        return not self._hear(name, current, lease)

    async def _mark_silent(self, node: Obj) -> Obj:
        now = datetime.now(UTC)
        name = node["metadata"]["name"]
        status = {**node.get("status", {}), "conditions": decide.unknown_conditions(node, now)}
        was_ready = p.is_ready(node)
        await write_status(self._rest, self._nodes, NODES, node, status)
        if was_ready:
            self._recorder.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        for pod in self._pods.by_index(BY_NODE, name):
            lost = decide.pod_not_ready(pod, now)
            if lost is not None:
                await write_status(self._rest, self._pods, PODS, pod, lost)
                self._recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        return self._nodes.get("", name) or {**node, "status": status}

    async def _taint(self, node: Obj) -> float | None:
        """Bring the taints to the conditions. Returns when a node that is not well is to be looked at again."""
        evicting, wait = self._evicting(node)
        taints = decide.wanted_taints(node, datetime.now(UTC), evicting=evicting)
        if taints != node["spec"].get("taints", []):
            patch = {"spec": {"taints": taints or None}}
            meta = node["metadata"]
            self._nodes.learn(
                await self._rest.patch(NODES, meta["name"], patch, resource_version=meta["resourceVersion"])
            )
        return wait

    def _evicting(self, node: Obj) -> tuple[str, float | None]:
        """(the NoExecute taint that the node may have now, seconds until it is looked at again)."""
        key = decide.evicting_key(node)
        if not key:
            return "", None
        states = self._zones()
        if decide.all_disrupted(states):
            return "", LOOK_SECONDS
        if decide.is_evicting(node):
            return key, LOOK_SECONDS
        zone = decide.zone_of(node)
        gap = decide.seconds_between_taints(*states.get(zone, (decide.Zone.NORMAL, 1)))
        if gap is None:
            return "", LOOK_SECONDS
        left = self._next_taint.get(zone, 0.0) - self._clock()
        if left > 0:
            return "", min(left, LOOK_SECONDS)
        self._next_taint[zone] = self._clock() + gap
        return key, LOOK_SECONDS

    def _zones(self) -> Mapping[str, tuple[decide.Zone, int]]:
        """Not counted anew for each of thousands of nodes."""
        if self._clock() - self._states_at > _STATES_SECONDS:
            self._states = decide.zones(list(self._nodes.list()))
            self._states_at = self._clock()
        return self._states
