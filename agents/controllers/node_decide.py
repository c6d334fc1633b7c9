"""Node health → taints → eviction. Pure.

A node that was not heard of for a grace period is Unknown. Taints say what its conditions say: NoSchedule ones at once,
NoExecute ones, which evict, one node after the other, and none at all while no node is well: then it is more likely
that the control plane is cut off. Upstream: pkg/controller/nodelifecycle and tainteviction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from agents.controllers import pods as p
from apiserver.api.scheduling import tolerates

Obj = dict[str, Any]

TAINTS_PER_SECOND = 0.1
SLOW_TAINTS_PER_SECOND = 0.01
LARGE_ZONE = 50
UNHEALTHY_SHARE = 0.55
"""From so many nodes of a zone on, and more than two, evictions are slowed down (upstream: the flags of eviction)."""

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
_EXCLUDED = "node.kubernetes.io/exclude-disruption"
_BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
_OURS = frozenset({UNSCHEDULABLE, *_BY_CONDITION.values()})
_EXECUTE = (NOT_READY, UNREACHABLE)
_HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


def heartbeat(node: Obj | None, lease: Obj | None) -> tuple[str, str]:
    """What changes each time that a node is heard of. Its clock may be wrong: only that it changes counts."""
    ready = p.condition(node, "Ready") if node is not None else None
    renewed = (lease or {}).get("spec", {}).get("renewTime") or ""
    return renewed, (ready or {}).get("lastHeartbeatTime") or ""


def unknown_conditions(node: Obj, now: datetime) -> list[Obj]:
    """The node's conditions when nothing is known of it any more."""
    conditions = {c["type"]: c for c in node.get("status", {}).get("conditions", ())}
    for name in _HEARTBEAT_CONDITIONS:
        before = conditions.get(name)
        if before is not None and before["status"] == "Unknown":
            continue
        never = before is None
        conditions[name] = {
            **(before or {"type": name, "lastHeartbeatTime": node["metadata"]["creationTimestamp"]}),
            "status": "Unknown",
            "reason": "NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
            "message": "Kubelet never posted node status." if never else "Kubelet stopped posting node status.",
            "lastTransitionTime": p.stamp(now),
        }
    return list(conditions.values())


class Zone(Enum):
    """How a failure zone is."""

    NORMAL = "Normal"
    PARTIAL = "PartialDisruption"
    FULL = "FullDisruption"


def zone_of(node: Obj) -> str:
    labels = node["metadata"].get("labels", {})
    region, zone = labels.get("topology.kubernetes.io/region", ""), labels.get("topology.kubernetes.io/zone", "")
    return f"{region}:\x00:{zone}" if region or zone else ""


def zones(nodes: Sequence[Obj]) -> dict[str, tuple[Zone, int]]:
    """The state and the size of each zone."""
    wells: dict[str, list[bool]] = {}
    for node in nodes:
        if _EXCLUDED not in node["metadata"].get("labels", {}):
            wells.setdefault(zone_of(node), []).append(p.is_ready(node))
    return {name: (_zone_state(well), len(well)) for name, well in wells.items()}


def _zone_state(well: Sequence[bool]) -> Zone:
    unwell = len(well) - sum(well)
    if unwell and unwell == len(well):
        return Zone.FULL
    if unwell > 2 and unwell / len(well) >= UNHEALTHY_SHARE:
        return Zone.PARTIAL
    return Zone.NORMAL


def all_disrupted(states: Mapping[str, tuple[Zone, int]]) -> bool:
    """No node is well: the control plane may be what is cut off."""
    return bool(states) and all(state is Zone.FULL for state, _ in states.values())


def seconds_between_taints(state: Zone, size: int) -> float | None:
    """How fast nodes of a zone may be given to eviction, one after the other. None: not now."""
    if state is not Zone.PARTIAL:
        return 1 / TAINTS_PER_SECOND
    return 1 / SLOW_TAINTS_PER_SECOND if size > LARGE_ZONE else None


def evicting_key(node: Obj) -> str:
    """The NoExecute taint that the node's condition asks for; empty for a node that is well or was never heard of."""
    ready = p.condition(node, "Ready")
    return _BY_CONDITION.get(("Ready", ready["status"]), "") if ready is not None else ""


def is_evicting(node: Obj) -> bool:
    """One of our NoExecute taints is there. Changing it to the other one is not a new eviction."""
    return any(t["key"] in _EXECUTE and t["effect"] == "NoExecute" for t in node["spec"].get("taints", ()))


def wanted_taints(node: Obj, now: datetime, *, evicting: str) -> list[Obj]:
    """The node's taints as its conditions ask for; taints that are not ours stay as they are. `evicting`: the key of
    the NoExecute taint, or none."""
    present = list(node["spec"].get("taints", ()))
    kept = [t for t in present if not _is_ours(t)]
    wanted = [(key, "NoSchedule") for key in _no_schedule(node)] + ([(evicting, "NoExecute")] if evicting else [])
    for key, effect in wanted:
        before = next((t for t in present if t["key"] == key and t["effect"] == effect), None)
        kept.append(before or {"key": key, "effect": effect, "timeAdded": p.stamp(now)})
    return kept


def _is_ours(taint: Obj) -> bool:
    key, effect = taint["key"], taint["effect"]
    return (effect == "NoSchedule" and key in _OURS) or (effect == "NoExecute" and key in _EXECUTE)


def _no_schedule(node: Obj) -> list[str]:
    conditions = node.get("status", {}).get("conditions", ())
    keys = [_BY_CONDITION.get((one["type"], one["status"]), "") for one in conditions]
    return [*(key for key in keys if key), *([UNSCHEDULABLE] if node["spec"].get("unschedulable") else [])]


def evict_in(pod: Obj, taints: Sequence[Mapping[str, Any]], now: datetime) -> float | None:
    """Seconds until the pod must leave its node; 0 for now; None when it may stay. Each taint has its `timeAdded`; a
    pod that came later is tolerated from then on."""
    bound = _bound_at(pod)
    execute = [t for t in taints if t.get("effect") == "NoExecute"]
    tolerations = pod["spec"].get("tolerations", ())
    waits: list[float] = []
    for taint in execute:
        toleration = next((t for t in tolerations if tolerates(taint, [t])), None)
        if toleration is None:
            return 0.0
        seconds = toleration.get("tolerationSeconds")
        if seconds is not None:
            since = max(p.parse_time(taint["timeAdded"]), bound)
            left = (since + timedelta(seconds=max(0, seconds)) - now).total_seconds()
            waits.append(max(0.0, left))
    return min(waits, default=None)


def _bound_at(pod: Obj) -> datetime:
    scheduled = p.condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "True" and scheduled.get("lastTransitionTime"):
        return p.parse_time(scheduled["lastTransitionTime"])
    return p.parse_time(pod["metadata"]["creationTimestamp"])


def pod_not_ready(pod: Obj, now: datetime) -> Obj | None:
    """The pod's status when its node is not heard of: not Ready. None when it says so already."""
    ready = p.condition(pod, "Ready")
    if ready is None or ready.get("status") == "False":
        return None
    changed = {**ready, "status": "False", "lastTransitionTime": p.stamp(now)}
    conditions = [changed if c is ready else c for c in pod["status"]["conditions"]]
    return {**pod["status"], "conditions": conditions}
