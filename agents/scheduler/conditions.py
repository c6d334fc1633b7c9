"""What a pod's status says about its placement. Pure: builds patches, sends none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

Obj = dict[str, Any]

SCHEDULED = "PodScheduled"
UNSCHEDULABLE = "Unschedulable"
SCHEDULER_ERROR = "SchedulerError"
DISRUPTION = "DisruptionTarget"
PREEMPTED = "PreemptionByScheduler"
EVENT_LIMIT = 1024


def not_scheduled(pod: Obj, reason: str, message: str, now: datetime, *, nominated: str | None = None) -> Obj | None:
    """The patch of the status that says why; None when it says so already. `nominated`: "" withdraws, None keeps."""
    condition = {"type": SCHEDULED, "status": "False", "reason": reason, "message": message}
    status: Obj = {}
    if changed := _changed(pod, condition, now):
        status["conditions"] = [changed]
    held = (pod.get("status") or {}).get("nominatedNodeName", "")
    if nominated is not None and nominated != held:
        status["nominatedNodeName"] = nominated or None
    return _patch(pod, status) if status else None


def disrupted(pod: Obj, preemptor_scheduler: str, now: datetime) -> Obj | None:
    """The patch that tells a victim, and whoever owns it, why it is being deleted."""
    message = f"{preemptor_scheduler}: preempting to accommodate a higher priority pod"
    condition = {"type": DISRUPTION, "status": "True", "reason": PREEMPTED, "message": message}
    changed = _changed(pod, condition, now)
    return _patch(pod, {"conditions": [changed]}) if changed else None


def withdrawn(pod: Obj) -> Obj:
    """The patch that takes the promise of a node back."""
    return _patch(pod, {"nominatedNodeName": None})


def _changed(pod: Obj, condition: Obj, now: datetime) -> Obj | None:
    """The condition with its times, if it differs from the pod's."""
    held = _condition(pod, condition["type"])
    generation = pod["metadata"].get("generation")
    wanted = {**condition, **({"observedGeneration": generation} if generation else {})}
    if all(held.get(key) == value for key, value in wanted.items()):
        return None
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    same = held.get("status") == condition["status"] and held.get("lastTransitionTime")
    return {**wanted, "lastProbeTime": None, "lastTransitionTime": same or stamp}


def _condition(pod: Obj, name: str) -> Obj:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if one.get("type") == name:
            found: Obj = one
            return found
    return {}


def _patch(pod: Obj, status: Obj) -> Obj:
    """Holds for this pod only, not for another that took its name."""
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}


def event_text(message: str) -> str:
    """Cut to what an Event may say."""
    return message if len(message) <= EVENT_LIMIT else message[: EVENT_LIMIT - 4] + " ..."
