"""What a ReplicaSet wants: how many pods more, which pods less, and its status. Pure.

Upstream: pkg/controller/replicaset and `ActivePodsWithRanks` of pkg/controller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiserver.api.selectors import LabelSelector

from agents.controllers import pods as p

Obj = dict[str, Any]

BURST_REPLICAS = 500
"""At most so many pods are created or deleted by one reconcile (upstream: `BurstReplicas`)."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Which pods are the set's own, which it takes over, which it lets go."""

    owned: tuple[Obj, ...]
    adopt: tuple[Obj, ...]
    release: tuple[Obj, ...]


def claim(replica_set: Obj, candidates: Sequence[Obj]) -> Claims:
    """`candidates` are the pods of the namespace that the set controls, and those that nobody controls."""
    selector = LabelSelector.from_object(replica_set["spec"]["selector"])
    uid = replica_set["metadata"]["uid"]
    terminating = p.is_terminating(replica_set)
    owned: list[Obj] = []
    adopt: list[Obj] = []
    release: list[Obj] = []
    for pod in candidates:
        matches = selector.matches(pod["metadata"].get("labels", {}))
        if p.owned_by(pod, uid):
            (owned if matches or terminating else release).append(pod)
        elif matches and p.controller_of(pod) is None and not terminating and p.is_active(pod):
            adopt.append(pod)
    return Claims(tuple(owned), tuple(adopt), tuple(release))


def selects(replica_set: Obj, labels: Mapping[str, str]) -> bool:
    return LabelSelector.from_object(replica_set["spec"]["selector"]).matches(labels)


@dataclass(frozen=True, slots=True)
class Plan:
    create: int
    delete: tuple[Obj, ...]


def plan(replica_set: Obj, owned: Sequence[Obj], now: datetime) -> Plan:
    """Bring the number of active pods to `spec.replicas`."""
    if p.is_terminating(replica_set):
        return Plan(0, ())
    active = [pod for pod in owned if p.is_active(pod)]
    surplus = len(active) - replica_set["spec"].get("replicas", 1)
    if surplus > 0:
        ranked = sorted(active, key=_deletion_rank(active, now))
        return Plan(0, tuple(ranked[: min(surplus, BURST_REPLICAS)]))
    return Plan(min(-surplus, BURST_REPLICAS), ())


def _deletion_rank(active: Sequence[Obj], now: datetime) -> Any:
    """Sort key: those that are missed least come first."""
    per_node = Counter(pod["spec"].get("nodeName", "") for pod in active)

    def key(pod: Obj) -> tuple[Any, ...]:
        node = pod["spec"].get("nodeName", "")
        since = p.ready_since(pod)
        created = p.parse_time(pod["metadata"]["creationTimestamp"])
        return (
            bool(node),
            {"Pending": 0, "Unknown": 1}.get(p.phase(pod), 2),
            p.is_ready(pod),
            p.deletion_cost(pod),
            -per_node[node],
            (now - since).total_seconds() if since else 0.0,
            -p.restarts(pod),
            (now - created).total_seconds(),
            pod["metadata"]["name"],
        )

    return key


def status(replica_set: Obj, owned: Sequence[Obj], now: datetime, *, failure: str = "") -> tuple[Obj, float | None]:
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
        "observedGeneration": replica_set["metadata"].get("generation", 0),
    }
    out: Obj = {k: v for k, v in made.items() if v or k in ("replicas", "observedGeneration")}
    conditions = _conditions(replica_set, failure, now)
    if conditions:
        out["conditions"] = conditions
    pending = [w for w in waits if w]
    return out, min(pending, default=None)


def _conditions(replica_set: Obj, failure: str, now: datetime) -> list[Obj]:
    """ReplicaFailure stands while pods cannot be created or deleted."""
    before = list(replica_set.get("status", {}).get("conditions", ()))
    others = [c for c in before if c.get("type") != "ReplicaFailure"]
    if not failure:
        return others
    known = next((c for c in before if c.get("type") == "ReplicaFailure"), None)
    if known is not None and known.get("message") == failure:
        return before
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        *others,
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": failure,
            "lastTransitionTime": stamp,
        },
    ]


def pod_from_template(owner: Obj, api_version: str, kind: str) -> Obj:
    """A pod as the owner's template asks for, owned and controlled by it."""
    template = owner["spec"]["template"]
    meta = template.get("metadata", {})
    pod_meta: Obj = {
        "generateName": owner["metadata"]["name"] + "-",
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [p.owner_reference(owner, api_version, kind)],
    }
    for key in ("labels", "annotations", "finalizers"):
        if meta.get(key):
            pod_meta[key] = meta[key]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": pod_meta, "spec": template["spec"]}
