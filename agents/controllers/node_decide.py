"""Node health → taints → eviction. Pure.

A node that has not renewed its lease for `GRACE` is Unknown; taints say so, NoExecute taints evict the pods that do
not tolerate them, when their toleration ends. Upstream: pkg/controller/nodelifecycle and tainteviction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from apiserver.api.scheduling import tolerates

from agents.controllers import pods as p

Obj = dict[str, Any]

GRACE = timedelta(seconds=50)
"""How long a node may be silent (upstream: `--node-monitor-grace-period`, 50 s since 1.32)."""

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
_BY_CONDITION = {
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_OURS = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_BY_CONDITION.values()})
_HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def silent_since(node: Obj, lease: Obj | None) -> datetime:
    """When the node was last heard of."""
    heard = p.parse_time(node["metadata"]["creationTimestamp"])
    renewed = (lease or {}).get("spec", {}).get("renewTime")
    if renewed:
        heard = max(heard, p.parse_time(renewed))
    ready = p.condition(node, "Ready")
    if ready is not None and ready.get("lastHeartbeatTime"):
        heard = max(heard, p.parse_time(ready["lastHeartbeatTime"]))
    return heard


def is_silent(node: Obj, lease: Obj | None, now: datetime) -> bool:
    return now - silent_since(node, lease) > GRACE


def unknown_conditions(node: Obj, now: datetime) -> list[Obj]:
    """The node's conditions when nothing is known of it any more."""
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = {c["type"]: c for c in node.get("status", {}).get("conditions", ())}
    for name in _HEARTBEAT_CONDITIONS:
        before = conditions.get(name)
        if before is not None and before["status"] == "Unknown":
            continue
        never = before is None
        conditions[name] = {
            "type": name,
            "status": "Unknown",
            "reason": "NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
            "message": "Kubelet never posted node status." if never else "Kubelet stopped posting node status.",
            "lastHeartbeatTime": (before or {}).get("lastHeartbeatTime", node["metadata"]["creationTimestamp"]),
            "lastTransitionTime": stamp,
        }
    return list(conditions.values())


def wanted_taints(node: Obj, now: datetime) -> list[Obj]:
    """The node's taints as its conditions ask for; taints that are not ours stay as they are."""
    present = list(node["spec"].get("taints", ()))
    kept = [t for t in present if t["key"] not in _OURS]
    wanted = [(key, "NoSchedule") for key in _no_schedule(node)] + [(key, "NoExecute") for key in _no_execute(node)]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for key, effect in wanted:
        before = next((t for t in present if t["key"] == key and t["effect"] == effect), None)
        made: Obj = {"key": key, "effect": effect}
        if effect == "NoExecute":
            made["timeAdded"] = stamp
        kept.append(before or made)
    return kept


def _no_schedule(node: Obj) -> list[str]:
    keys = [UNSCHEDULABLE] if node["spec"].get("unschedulable") else []
    keys += _no_execute(node)
    for one in node.get("status", {}).get("conditions", ()):
        key = _BY_CONDITION.get((one["type"], one["status"]))
        if key:
            keys.append(key)
    return keys


def _no_execute(node: Obj) -> list[str]:
    ready = p.condition(node, "Ready")
    state = ready["status"] if ready else "Unknown"
    if state == "True":
        return []
    return [UNREACHABLE] if state == "Unknown" else [NOT_READY]


def evict_in(pod: Obj, taints: Sequence[Mapping[str, Any]], now: datetime) -> float | None:
    """Seconds until the pod must leave its node; 0 for now; None when it may stay."""
    execute = [t for t in taints if t.get("effect") == "NoExecute"]
    tolerations = pod["spec"].get("tolerations", ())
    waits: list[float] = []
    for taint in execute:
        matching = [t for t in tolerations if tolerates(taint, [t])]
        if not matching:
            return 0.0
        seconds = [t["tolerationSeconds"] for t in matching if t.get("tolerationSeconds") is not None]
        if seconds:
            since = p.parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
            left = (since + timedelta(seconds=max(0, min(seconds))) - now).total_seconds()
            waits.append(max(0.0, left))
    return min(waits, default=None)


def pod_not_ready(pod: Obj, now: datetime) -> Obj | None:
    """The pod's status when its node is not heard of: not Ready. None when it says so already."""
    if not p.is_ready(pod):
        return None
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {**c, "status": "False", "lastTransitionTime": stamp, "reason": "NodeNotReady"} if c["type"] == "Ready" else c
        for c in pod["status"]["conditions"]
    ]
    return {**pod["status"], "conditions": conditions}
