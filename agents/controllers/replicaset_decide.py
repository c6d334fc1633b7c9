"""What a ReplicaSet wants: how many pods more, which pods less, and its status. Pure.

Upstream: pkg/controller/replicaset, and `ActivePodsWithRanks` of pkg/controller.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.controllers import ownership
from agents.controllers import pods as p

Obj = dict[str, Any]

BURST_REPLICAS = 500
"""At most so many pods are created or deleted by one reconcile (upstream: `BurstReplicas`)."""

FAILED_CREATE = "FailedCreate"
FAILED_DELETE = "FailedDelete"
_FAILURE = "ReplicaFailure"
_PHASES = {"Pending": 0, "Unknown": 1}


@dataclass(frozen=True, slots=True)
class Plan:
    create: int
    delete: tuple[Obj, ...]


def plan(replica_set: Obj, owned: Sequence[Obj], related: Sequence[Obj], now: datetime) -> Plan:
    """Bring the number of active pods to `spec.replicas`. `related`: the pods of all sets of the same owner, which
    say where pods are doubled up."""
    if p.is_terminating(replica_set):
        return Plan(0, ())
    active = [pod for pod in owned if p.is_active(pod)]
    surplus = len(active) - replica_set["spec"].get("replicas", 1)
    if surplus <= 0:
        return Plan(min(-surplus, BURST_REPLICAS), ())
    surplus = min(surplus, BURST_REPLICAS)
    return Plan(0, tuple(_missed_least(active, related, now)[:surplus]))


def _missed_least(active: Sequence[Obj], related: Sequence[Obj], now: datetime) -> list[Obj]:
    """Those that are missed least come first."""
    per_node = Counter(pod["spec"].get("nodeName", "") for pod in related if p.is_active(pod))

    def compare(a: Obj, b: Obj) -> int:
        return _compare(a, b, per_node, now)

    return sorted(active, key=functools.cmp_to_key(compare))


def _compare(a: Obj, b: Obj, per_node: Mapping[str, int], now: datetime) -> int:
    """Below 0: `a` goes before `b`. Times are compared by their order of magnitude, so that pods that differ little
    go in no particular order (upstream: LogarithmicScaleDown)."""
    first = _rank(a, per_node), _rank(b, per_node)
    if first[0] != first[1]:
        return -1 if first[0] < first[1] else 1
    ready = p.ready_since(a), p.ready_since(b)
    if ready[0] is not None and ready[1] is not None and ready[0] != ready[1]:
        return _magnitude(now, ready[0]) - _magnitude(now, ready[1]) or _by_uid(a, b)
    if p.restarts(a) != p.restarts(b):
        return -1 if p.restarts(a) > p.restarts(b) else 1
    made = [p.parse_time(pod["metadata"]["creationTimestamp"]) for pod in (a, b)]
    if made[0] != made[1]:
        return _magnitude(now, made[0]) - _magnitude(now, made[1]) or _by_uid(a, b)
    return 0


def _rank(pod: Obj, per_node: Mapping[str, int]) -> tuple[bool, int, bool, int, int]:
    node = pod["spec"].get("nodeName", "")
    return (bool(node), _PHASES.get(p.phase(pod), 2), p.is_ready(pod), p.deletion_cost(pod), -per_node.get(node, 0))


def _magnitude(now: datetime, since: datetime) -> int:
    nanoseconds = (now - since).total_seconds() * 1e9
    return int(math.log2(nanoseconds)) if nanoseconds > 0 else -1


def _by_uid(a: Obj, b: Obj) -> int:
    return -1 if a["metadata"]["uid"] < b["metadata"]["uid"] else 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Pods could not be created or deleted."""

    reason: str
    message: str


def status(
    replica_set: Obj, owned: Sequence[Obj], now: datetime, *, failure: Failure | None = None
) -> tuple[Obj, float | None]:
    """(the status, seconds until a ready pod becomes available and the status changes by itself)."""
    active = [pod for pod in owned if p.is_active(pod)]
    labels: Mapping[str, str] = replica_set["spec"].get("template", {}).get("metadata", {}).get("labels", {})
    minimum = replica_set["spec"].get("minReadySeconds", 0)
    waits = [p.available_in(pod, minimum, now) for pod in active]
    made: Obj = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(labels.items() <= pod["metadata"].get("labels", {}).items() for pod in active),
        "readyReplicas": sum(w is not None for w in waits),
        "availableReplicas": sum(w == 0.0 for w in waits),
        "terminatingReplicas": sum(p.is_terminating(pod) and not p.is_finished(pod) for pod in owned),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
    }
    shown = ("replicas", "terminatingReplicas", "observedGeneration")
    out: Obj = {k: v for k, v in made.items() if v or k in shown}
    conditions = _conditions(replica_set, failure, now)
    if conditions:
        out["conditions"] = conditions
    pending = [w for w in waits if w]
    return out, min(pending, default=None)


def _conditions(replica_set: Obj, failure: Failure | None, now: datetime) -> list[Obj]:
    """ReplicaFailure stands while pods cannot be created or deleted. It keeps its first words: messages name pods
    that are new at each try, and a status that changes at each try would bring the next try at once."""
    before = list(replica_set.get("status", {}).get("conditions", ()))
    others = [c for c in before if c.get("type") != _FAILURE]
    if failure is None:
        return others
    if len(others) < len(before):
        return before
    condition = {
        "type": _FAILURE,
        "status": "True",
        "lastTransitionTime": p.stamp(now),
        "reason": failure.reason,
        "message": failure.message,
    }
    return [*others, condition]


def pod_from_template(owner: Obj, api_version: str, kind: str) -> Obj:
    """A pod as the owner's template asks for, owned and controlled by it."""
    template = owner["spec"]["template"]
    meta = template.get("metadata", {})
    pod_meta: Obj = {
        "generateName": owner["metadata"]["name"] + "-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [ownership.owner_reference(owner, api_version, kind)],
    }
    for key in ("labels", "annotations", "finalizers"):
        if meta.get(key):
            pod_meta[key] = meta[key]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_meta, "spec": template["spec"]}
