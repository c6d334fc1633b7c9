"""The Node that a kubelet registers and the status it reports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.kubelet.machine import Free, Machine
from agents.kubelet.podspec import format_time
from agents.kubelet.runtime import RuntimeStatus, RuntimeVersion
from agents.kubelet.settings import SIM_CPU, SIM_MEMORY, SIM_STORAGE, Capacity, Pressure
from apiserver.api.quantity import canonical

Obj = dict[str, Any]

KUBELET_VERSION = "v1.36.0+backbeat"
HOSTNAME, OS, ARCH = "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"
_BETA = {"beta.kubernetes.io/os": OS, "beta.kubernetes.io/arch": ARCH}


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node, as far as it does not change while the kubelet runs."""

    name: str
    address: str
    machine: Machine
    runtime: RuntimeVersion
    labels: Mapping[str, str]
    capacity: Mapping[str, str]


def capacity(machine: Machine, wanted: Capacity, *, simulated: bool) -> dict[str, str]:
    """As quantities, written as the API writes them; all of it is allocatable. Raises NotAQuantity."""
    if simulated:
        cpu, memory, storage = SIM_CPU, SIM_MEMORY, SIM_STORAGE
    else:
        cpu = str(machine.cpus)
        memory, storage = f"{machine.memory_bytes // 1024}Ki", f"{machine.disk_bytes // 1024}Ki"
    amounts = {
        "cpu": wanted.cpu or cpu,
        "memory": wanted.memory or memory,
        "ephemeral-storage": wanted.ephemeral_storage or storage,
        "pods": str(wanted.max_pods),
    }
    return {name: canonical(text) for name, text in amounts.items()}


def labels(name: str, machine: Machine, extra: Mapping[str, str]) -> dict[str, str]:
    own = {HOSTNAME: name, OS: machine.operating_system, ARCH: machine.architecture}
    return own | {beta: own[stable] for beta, stable in _BETA.items()} | dict(extra)


def node_object(facts: NodeFacts, conditions: Sequence[Obj]) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": dict(facts.labels)},
        "spec": {},
        "status": node_status(facts, conditions),
    }


def node_status(facts: NodeFacts, conditions: Sequence[Obj]) -> Obj:
    """All that the kubelet says of a node."""
    return {
        "addresses": [
            {"type": "InternalIP", "address": facts.address},
            {"type": "Hostname", "address": facts.name},
        ],
        "capacity": dict(facts.capacity),
        "allocatable": dict(facts.capacity),
        "conditions": list(conditions),
        "nodeInfo": _node_info(facts),
    }


def _node_info(facts: NodeFacts) -> Obj:
    machine = facts.machine
    return {
        "machineID": machine.machine_id,
        "systemUUID": machine.machine_id,
        "bootID": machine.boot_id,
        "kernelVersion": machine.kernel,
        "osImage": machine.os_image,
        "containerRuntimeVersion": f"{facts.runtime.name}://{facts.runtime.version}",
        "kubeletVersion": KUBELET_VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": machine.operating_system,
        "architecture": machine.architecture,
    }


@dataclass(frozen=True, slots=True)
class Health:
    """What the conditions are made from."""

    runtime: RuntimeStatus
    free: Free | None  # None: simulated, never under pressure
    limits: Pressure


def conditions(known: Iterable[Obj], health: Health, now: datetime) -> list[Obj]:
    """`known` are the conditions that the API holds: a transition time changes only with its status."""
    before = {c["type"]: c for c in known}
    return [_dated(before.get(fresh["type"]), fresh, now) for fresh in _conditions(health)]


def _conditions(health: Health) -> Iterable[Obj]:
    free, limits = health.free, health.limits
    yield _pressure(
        "MemoryPressure",
        free is not None and free.memory_bytes < limits.memory_bytes,
        ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    )
    yield _pressure(
        "DiskPressure",
        free is not None and free.disk_bytes < limits.disk_bytes,
        ("KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    )
    yield _pressure(
        "PIDPressure",
        free is not None and free.pids < limits.pids,
        ("KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    )
    if health.runtime.ready:
        yield _condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
    else:
        yield _condition("Ready", "False", "KubeletNotReady", health.runtime.message)


def _pressure(kind: str, holds: bool, bad: tuple[str, str], good: tuple[str, str]) -> Obj:
    return _condition(kind, "True" if holds else "False", *(bad if holds else good))


def _condition(kind: str, status: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _dated(before: Obj | None, fresh: Obj, now: datetime) -> Obj:
    same = before is not None and before.get("status") == fresh["status"] and bool(before.get("lastTransitionTime"))
    since = before["lastTransitionTime"] if same and before else format_time(now)
    return {**fresh, "lastHeartbeatTime": format_time(now), "lastTransitionTime": since}


def status_patch(node: Obj, wanted: Obj) -> Obj:
    """A strategic merge patch of the status; empty where only heartbeat times differ."""
    known = node.get("status") or {}
    patch = {key: value for key, value in wanted.items() if key != "conditions" and known.get(key) != value}
    if "addresses" in patch:
        patch["addresses"] = [{"$patch": "replace"}, *patch["addresses"]]
    before = {c["type"]: c for c in known.get("conditions") or ()}
    if any(_says(before.get(c["type"])) != _says(c) for c in wanted["conditions"]):
        patch["conditions"] = wanted["conditions"]
    return patch


def _says(condition: Obj | None) -> Obj:
    return {k: v for k, v in (condition or {}).items() if k != "lastHeartbeatTime"}


def missing_labels(node: Obj, wanted: Mapping[str, str]) -> dict[str, str]:
    known = node["metadata"].get("labels") or {}
    return {k: v for k, v in wanted.items() if known.get(k) != v}
