"""Nodes and pods for tests, as short as they can be said."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from agents.scheduler.decide import decide
from agents.scheduler.decision import Chosen, Decision, Refused
from agents.scheduler.nodeinfo import read_node
from agents.scheduler.podinfo import PodInfo, Reader
from agents.scheduler.snapshot import Snapshot

Obj = dict[str, Any]

READER = Reader()
_numbers = itertools.count()

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def node(
    name: str,
    *,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    taints: Sequence[Obj] = (),
    zone: str = "",
    unschedulable: bool = False,
    more: Mapping[str, str] | None = None,
) -> Obj:
    zones = {ZONE: zone} if zone else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HOSTNAME: name, **zones, **(labels or {})}},
        "spec": {"taints": list(taints), **({"unschedulable": True} if unschedulable else {})},
        "status": {"allocatable": {"cpu": cpu, "memory": memory, "pods": pods, **(more or {})}},
    }


def pod(
    name: str = "",
    *,
    cpu: str = "",
    memory: str = "",
    labels: Mapping[str, str] | None = None,
    namespace: str = "default",
    on: str = "",
    priority: int = 0,
    ports: Sequence[Obj] = (),
    requests: Mapping[str, str] | None = None,
    owner: tuple[str, str, str] | None = None,
    terminating: bool = False,
    status: Obj | None = None,
    started: str = "",
    **spec: Any,
) -> Obj:
    asked = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {}), **(requests or {})}
    number = next(_numbers)
    name = name or f"pod-{number}"
    meta: Obj = {"name": name, "namespace": namespace, "uid": f"uid-{name}-{number}", "labels": dict(labels or {})}
    if owner:
        meta["ownerReferences"] = [
            {"apiVersion": owner[0], "kind": owner[1], "name": owner[2], "uid": "o", "controller": True}
        ]
    if terminating:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    container = {"name": "c", "image": "i", "resources": {"requests": asked}, "ports": list(ports)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [container], "nodeName": on, "priority": priority, **spec},
        "status": {"phase": "Pending", **({"startTime": started} if started else {}), **(status or {})},
    }


def info(obj: Obj) -> PodInfo:
    return READER.read(obj)


def cluster(*objects: Obj) -> Snapshot:
    """A snapshot of these nodes and bound pods."""
    snapshot = Snapshot()
    for obj in objects:
        if obj["kind"] == "Node":
            snapshot.set_node(read_node(obj))
        else:
            snapshot.add_pod(info(obj), obj["spec"]["nodeName"])
    return snapshot


def place(snapshot: Snapshot, obj: Obj) -> Decision:
    return decide(snapshot, info(obj))


def chosen(snapshot: Snapshot, obj: Obj) -> str:
    decision = place(snapshot, obj)
    assert isinstance(decision, Chosen), decision.message
    return decision.node


def refused(snapshot: Snapshot, obj: Obj) -> Refused:
    decision = place(snapshot, obj)
    assert isinstance(decision, Refused), decision.node
    return decision


def node_affinity(
    *, required: Sequence[Obj] | None = None, preferred: Sequence[tuple[int, Obj]] = ()
) -> Mapping[str, Any]:
    section: Obj = {}
    if required is not None:
        section["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": list(required)}
    if preferred:
        section["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": weight, "preference": term} for weight, term in preferred
        ]
    return {"nodeAffinity": section}


def expression(key: str, operator: str, *values: str) -> Obj:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def pod_term(labels: Mapping[str, str], topology: str = HOSTNAME, **more: Any) -> Obj:
    return {"labelSelector": {"matchLabels": dict(labels)}, "topologyKey": topology, **more}


def pod_affinity(
    field: str = "podAffinity", *, required: Sequence[Obj] = (), preferred: Sequence[tuple[int, Obj]] = ()
) -> Mapping[str, Any]:
    weighted = [{"weight": weight, "podAffinityTerm": term} for weight, term in preferred]
    return {
        field: {
            "requiredDuringSchedulingIgnoredDuringExecution": list(required),
            "preferredDuringSchedulingIgnoredDuringExecution": weighted,
        }
    }


def spread(topology: str, labels: Mapping[str, str], *, skew: int = 1, hard: bool = True, **more: Any) -> Obj:
    return {
        "topologyKey": topology,
        "maxSkew": skew,
        "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(labels)},
        **more,
    }
