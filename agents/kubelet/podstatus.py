"""The status that the API shows of a pod, made from what is observed and decided. Pure.

The same input gives the same status, times included: whoever writes it only when it differs never writes twice.
Conditions of others (readiness gates, DisruptionTarget) are kept as they are.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agents.kubelet import conditions
from agents.kubelet.decide import Plan, Waiting
from agents.kubelet.observed import Observed
from agents.kubelet.phase import phase
from agents.kubelet.podspec import (
    Obj,
    format_time,
    init_containers,
    is_sidecar,
    main_containers,
    phase_of,
)
from agents.kubelet.runtime import Container, ContainerId, ContainerState

EPOCH = "1970-01-01T00:00:00Z"


def pod_status(pod: Obj, observed: Observed, plan: Plan, now: datetime, *, scheme: str) -> Obj:
    """`scheme` is the runtime's name, for container ids."""
    old = pod.get("status") or {}
    made = _Statuses(pod, observed, plan, scheme)
    inits = [made.one(spec, init=True) for spec in init_containers(pod)]
    mains = sorted((made.one(spec) for spec in main_containers(pod)), key=lambda s: str(s["name"]))
    status: Obj = {
        **{k: old[k] for k in ("qosClass", "resize", "resourceClaimStatuses", "nominatedNodeName") if k in old},
        "phase": phase(pod, inits, mains, plan),
        "startTime": old.get("startTime") or format_time(now),
        "containerStatuses": mains,
    }
    if inits:
        status["initContainerStatuses"] = inits
    generation = pod["metadata"].get("generation")
    if generation is not None:
        status["observedGeneration"] = generation
    reason, message = plan.reason, plan.message
    for key, text in (("reason", reason), ("message", message)):
        if text:
            status[key] = text
    status.update(_addresses(observed, old))
    status["conditions"] = conditions.conditions(pod, status, now, sandbox=_has_sandbox(observed))
    return status


def _has_sandbox(observed: Observed) -> bool:
    return observed.sandbox is not None and observed.sandbox.ready


def _addresses(observed: Observed, old: Obj) -> Obj:
    found: Obj = {k: old[k] for k in ("hostIP", "hostIPs", "podIP", "podIPs") if k in old}
    if observed.node_ip:
        found |= {"hostIP": observed.node_ip, "hostIPs": [{"ip": observed.node_ip}]}
    if observed.sandbox is not None:
        found |= {"podIP": observed.sandbox.ip, "podIPs": [{"ip": observed.sandbox.ip}]}
    return found


class _Statuses:
    """Container statuses of one pod at one moment."""

    def __init__(self, pod: Obj, observed: Observed, plan: Plan, scheme: str) -> None:
        self._observed = observed
        self._plan = plan
        self._scheme = scheme
        self._default = Waiting("PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating")
        self._is_final = phase_of(pod) in ("Succeeded", "Failed")

    def one(self, spec: Obj, *, init: bool = False) -> Obj:
        attempts = self._observed.of(spec["name"])
        latest = attempts[0] if attempts else None
        previous = attempts[1] if len(attempts) > 1 else None
        waiting = self._waiting(spec, latest)
        running = latest is not None and latest.state is ContainerState.RUNNING
        status: Obj = {
            "name": spec["name"],
            "image": spec.get("image") or "",
            "imageID": (spec.get("image") or "") if latest else "",
            "restartCount": latest.attempt if latest else 0,
            "ready": self._is_ready(spec, latest, init=init),
            "started": running and latest is not None and latest.id in self._observed.started,
            "state": {"waiting": _waiting_state(waiting)} if waiting else self._state(latest),
            "lastState": {},
        }
        ended = latest if waiting and latest and latest.state is ContainerState.EXITED else previous
        if ended is not None and ended.state is ContainerState.EXITED:
            status["lastState"] = {"terminated": self._terminated(ended)}
        if latest is not None:
            status["containerID"] = self._id(latest.id)
        return status

    def _waiting(self, spec: Obj, latest: Container | None) -> Waiting | None:
        told = self._plan.waiting.get(spec["name"])
        problem = self._observed.problems.get(spec["name"])
        if told is None and problem is not None and not self._plan.over:
            told = Waiting(problem.reason, problem.message)
        if latest is not None and latest.state is ContainerState.RUNNING:
            return None
        if latest is None or latest.state is ContainerState.CREATED:
            return told or self._default
        return told

    def _is_ready(self, spec: Obj, latest: Container | None, *, init: bool) -> bool:
        if latest is None:
            return False
        if init and not is_sidecar(spec):
            return latest.state is ContainerState.EXITED and latest.exit_code == 0
        return latest.state is ContainerState.RUNNING and latest.id in self._observed.ready

    def _state(self, latest: Container | None) -> Obj:
        if latest is None:
            return {}
        if latest.state is ContainerState.RUNNING:
            return {"running": {"startedAt": format_time(latest.started_at or latest.created_at)}}
        return {"terminated": self._terminated(latest)}

    def _terminated(self, ended: Container) -> Obj:
        state: Obj = {
            "exitCode": ended.exit_code,
            "reason": ended.reason or ("Error" if ended.exit_code else "Completed"),
            "startedAt": format_time(ended.started_at) if ended.started_at else EPOCH,
            "finishedAt": format_time(ended.finished_at) if ended.finished_at else EPOCH,
            "containerID": self._id(ended.id),
        }
        if ended.message:
            state["message"] = ended.message
        return state

    def _id(self, container: ContainerId) -> str:
        return f"{self._scheme}://{container}"


def _waiting_state(waiting: Waiting) -> dict[str, Any]:
    return {"reason": waiting.reason} | ({"message": waiting.message} if waiting.message else {})
