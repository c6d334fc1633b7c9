"""A pod as one row of a table: what `kubectl get pods` shows, decided from spec and status alone.

The STATUS word is the last thing that has something to say, in this order: the phase, the pod's own reason, a
scheduling gate, the init container that holds the pod up, the first container that waits or has ended, and at the
end the pod's deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apiserver.api.kinds._ages import age
from apiserver.api.kinds.base import Cell, Column

Status = dict[str, Any]

NODE_LOST = "NodeLost"
SCHEDULING_GATED = "SchedulingGated"

COLUMNS = (
    Column("Name", format="name", description="Name must be unique within a namespace."),
    Column("Ready", description="The aggregate readiness state of this pod for accepting traffic."),
    Column("Status", description="The aggregate status of the containers in this pod."),
    Column("Restarts", description="How often the containers of this pod were restarted, and when last."),
    Column("Age", description="How long ago this pod was created."),
    Column("IP", description="The address of the pod in the network of pods.", priority=1),
    Column("Node", description="The node that runs the pod.", priority=1),
    Column("Nominated Node", description="The node whose pods make room for this pod.", priority=1),
    Column("Readiness Gates", description="How many of the pod's readiness gates are open.", priority=1),
)


@dataclass(slots=True)
class _Summary:
    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: str = ""  # RFC 3339 in UTC: compares as text

    def count_restarts(self, container: Status) -> None:
        self.restarts += container.get("restartCount") or 0
        ended = (container.get("lastState") or {}).get("terminated")
        if ended:
            self.last_restart = max(self.last_restart, ended.get("finishedAt") or "")


def _condition(status: Status, kind: str) -> Status:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return dict(condition)
    return {}


def _ending(terminated: Status) -> str:
    """`Completed`, `Error`, or a signal or exit code where the runtime gave no reason."""
    reason: str = terminated.get("reason") or ""
    if reason:
        return reason
    signal = terminated.get("signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{terminated.get('exitCode') or 0}"


def _first_reason(status: Status) -> str:
    reason = status.get("reason") or status.get("phase") or ""
    if _condition(status, "PodScheduled").get("reason") == SCHEDULING_GATED:
        return SCHEDULING_GATED
    return str(reason)


def _sidecars(spec: Status) -> frozenset[str]:
    init = spec.get("initContainers")
    if not init:
        return frozenset()
    return frozenset(c.get("name") or "" for c in init if c.get("restartPolicy") == "Always")


def _init_problem(container: Status, index: int, total: int) -> str:
    state = container.get("state") or {}
    terminated = state.get("terminated")
    if terminated:
        return f"Init:{_ending(terminated)}"
    waiting = (state.get("waiting") or {}).get("reason")
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{total}"


def _summarise_init(summary: _Summary, sidecars_only: _Summary, pod: Status) -> bool:
    """Whether an init container still holds the pod up. Counts into both summaries."""
    spec, status = pod["spec"], pod.get("status") or {}
    sidecars = _sidecars(spec)
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        sidecar = container.get("name") in sidecars
        summary.count_restarts(container)
        if sidecar:
            sidecars_only.count_restarts(container)
        terminated = (container.get("state") or {}).get("terminated")
        if terminated and not terminated.get("exitCode"):
            continue
        if sidecar and container.get("started"):
            summary.ready += bool(container.get("ready"))
            continue
        summary.reason = _init_problem(container, index, len(spec.get("initContainers") or ()))
        return True
    return False


def _summarise_containers(summary: _Summary, status: Status) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        summary.count_restarts(container)
        state = container.get("state") or {}
        waiting = (state.get("waiting") or {}).get("reason")
        if waiting:
            summary.reason = waiting
        elif state.get("terminated"):
            summary.reason = _ending(state["terminated"])
        elif container.get("ready") and state.get("running") is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        ready = _condition(status, "Ready").get("status") == "True"
        summary.reason = "Running" if ready else "NotReady"


def _deletion(pod: Status, reason: str) -> str:
    if "deletionTimestamp" not in pod["metadata"]:
        return reason
    status = pod.get("status") or {}
    if status.get("reason") == NODE_LOST:
        return "Unknown"
    if status.get("phase") in ("Succeeded", "Failed"):
        return reason
    return "Terminating"


def _summarise(pod: Status) -> _Summary:
    status = pod.get("status") or {}
    summary = _Summary(_first_reason(status))
    sidecars_only = _Summary("")
    initializing = _summarise_init(summary, sidecars_only, pod)
    if not initializing or _condition(status, "Initialized").get("status") == "True":
        summary.restarts, summary.last_restart = sidecars_only.restarts, sidecars_only.last_restart
        _summarise_containers(summary, status)
    summary.reason = _deletion(pod, summary.reason)
    return summary


def _restarts(summary: _Summary, now: datetime) -> str:
    if summary.restarts and summary.last_restart:
        return f"{summary.restarts} ({age(summary.last_restart, now)} ago)"
    return str(summary.restarts)


def _gates(pod: Status) -> str:
    gates = pod["spec"].get("readinessGates") or ()
    if not gates:
        return "<none>"
    status = pod.get("status") or {}
    opened = sum(_condition(status, gate.get("conditionType", "")).get("status") == "True" for gate in gates)
    return f"{opened}/{len(gates)}"


def _address(status: Status) -> str:
    addresses = status.get("podIPs") or ()
    return (addresses[0].get("ip") if addresses else status.get("podIP")) or "<none>"


def status_word(pod: Status) -> str:
    """The STATUS of a pod, as users know it: `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating`, …"""
    return _summarise(pod).reason


def row(pod: Status, now: datetime) -> Sequence[Cell]:
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    summary = _summarise(pod)
    total = len(spec.get("containers") or ()) + len(_sidecars(spec))
    return (
        meta["name"],
        f"{summary.ready}/{total}",
        summary.reason,
        _restarts(summary, now),
        age(meta.get("creationTimestamp"), now),
        _address(status),
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(pod),
    )
