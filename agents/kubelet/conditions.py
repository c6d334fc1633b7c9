"""A pod's conditions: what upstream's status package says of them, in its words. Pure.

A transition time changes only with the status of its condition. What others wrote is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agents.kubelet.podspec import Obj, condition_of, format_time, init_containers, is_sidecar

READY_TO_START = "PodReadyToStartContainers"
INITIALIZED = "Initialized"
READY = "Ready"
CONTAINERS_READY = "ContainersReady"
SCHEDULED = "PodScheduled"
OWN = (READY_TO_START, INITIALIZED, READY, CONTAINERS_READY, SCHEDULED)


def conditions(pod: Obj, status: Obj, now: datetime, *, sandbox: bool) -> list[Obj]:
    containers = _containers_ready(pod, status)
    fresh = [
        _condition(READY_TO_START, sandbox and status["phase"] not in ("Succeeded", "Failed")),
        _initialized(pod, status),
        _ready(pod, containers),
        containers,
        _condition(SCHEDULED, True),
    ]
    generation = pod["metadata"].get("generation")
    made = [_dated(pod, condition, generation, now) for condition in fresh]
    others = [c for c in (pod.get("status") or {}).get("conditions") or () if c.get("type") not in OWN]
    return made + others


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Obj:
    made: Obj = {"type": kind, "status": "True" if holds else "False", "lastProbeTime": None}
    if reason:
        made["reason"] = reason
    if message:
        made["message"] = message
    return made


def _dated(pod: Obj, fresh: Obj, generation: int | None, now: datetime) -> Obj:
    old = condition_of(pod, fresh["type"])
    same = old is not None and old.get("status") == fresh["status"] and bool(old.get("lastTransitionTime"))
    fresh["lastTransitionTime"] = old["lastTransitionTime"] if same and old else format_time(now)
    if generation is not None:
        fresh["observedGeneration"] = generation
    return fresh


def _initialized(pod: Obj, status: Obj) -> Obj:
    phase = status["phase"]
    if phase == "Succeeded":
        return _condition(INITIALIZED, True, "PodCompleted")
    sidecars = {c["name"] for c in init_containers(pod) if is_sidecar(c)}
    began = any("containerID" in s for s in status["containerStatuses"])
    missing = [
        s["name"]
        for s in status.get("initContainerStatuses") or ()
        if not began and not (s["started"] if s["name"] in sidecars else s["ready"])
    ]
    if missing:
        return _condition(INITIALIZED, False, "ContainersNotInitialized", _listed("incomplete", missing))
    return _condition(INITIALIZED, True)


def _containers_ready(pod: Obj, status: Obj) -> Obj:
    if status["phase"] == "Succeeded":
        return _condition(CONTAINERS_READY, False, "PodCompleted")
    if status["phase"] == "Failed":
        return _condition(CONTAINERS_READY, False, "PodFailed")
    unready = [s["name"] for s in _lasting(pod, status) if not s["ready"]]
    if unready:
        return _condition(CONTAINERS_READY, False, "ContainersNotReady", _listed("unready", unready))
    return _condition(CONTAINERS_READY, True)


def _lasting(pod: Obj, status: Obj) -> Sequence[Obj]:
    """Containers that are meant to run as long as the pod: sidecars and main ones."""
    sidecars = {c["name"] for c in init_containers(pod) if is_sidecar(c)}
    inits = [s for s in status.get("initContainerStatuses") or () if s["name"] in sidecars]
    return [*inits, *status["containerStatuses"]]


def _listed(what: str, names: Sequence[str]) -> str:
    return f"containers with {what} status: [{' '.join(names)}]"


def _ready(pod: Obj, containers: Obj) -> Obj:
    if containers["status"] != "True":
        return _condition(READY, False, containers.get("reason", ""), containers.get("message", ""))
    closed = [text for gate in pod["spec"].get("readinessGates") or () if (text := _gate(pod, gate["conditionType"]))]
    if closed:
        return _condition(READY, False, "ReadinessGatesNotReady", ", ".join(closed))
    return _condition(READY, True)


def _gate(pod: Obj, kind: str) -> str:
    """Why this readiness gate is closed; empty when it is open."""
    found = condition_of(pod, kind)
    if found is None:
        return f'corresponding condition of pod readiness gate "{kind}" does not exist.'
    if found.get("status") != "True":
        return f'the status of pod readiness gate "{kind}" is not "True", but {found.get("status")}'
    return ""
