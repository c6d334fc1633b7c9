"""The status of a Deployment: counts, and the conditions Available and Progressing. Pure.

Upstream: pkg/controller/deployment/{sync,progress}.go and deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agents.controllers import deployment_decide as d
from agents.controllers import pods as p

Obj = dict[str, Any]

NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _sum(sets: Sequence[Obj], field: str) -> int:
    return sum(int(rs.get("status", {}).get(field, 0)) for rs in sets)


def counts(deployment: Obj, sets: Sequence[Obj], new: Obj | None) -> Obj:
    """`unavailableReplicas` counts against what the sets are told to have, as upstream does."""
    available = _sum(sets, "availableReplicas")
    total = sum(d.wanted(rs) for rs in sets)
    made: Obj = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new], "replicas") if new else 0,
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, total - available),
    }
    out = {k: v for k, v in made.items() if v or k == "observedGeneration"}
    collisions = deployment.get("status", {}).get("collisionCount")
    if collisions:
        out["collisionCount"] = collisions
    return out


def is_complete(deployment: Obj, counted: Obj) -> bool:
    replicas: int = deployment["spec"].get("replicas", 1)
    return bool(
        counted.get("updatedReplicas", 0) == replicas
        and counted.get("replicas", 0) == replicas
        and counted.get("availableReplicas", 0) == replicas
    )


def _progressed(deployment: Obj, counted: Obj) -> bool:
    """Something moved since the last status."""
    before = deployment.get("status", {})
    old_olds = before.get("replicas", 0) - before.get("updatedReplicas", 0)
    new_olds = counted.get("replicas", 0) - counted.get("updatedReplicas", 0)
    return bool(
        counted.get("updatedReplicas", 0) > before.get("updatedReplicas", 0)
        or new_olds < old_olds
        or counted.get("readyReplicas", 0) > before.get("readyReplicas", 0)
        or counted.get("availableReplicas", 0) > before.get("availableReplicas", 0)
    )


def status(
    deployment: Obj, sets: Sequence[Obj], new: Obj | None, now: datetime, *, failure: str = ""
) -> tuple[Obj, float | None]:
    """(the status, seconds until the progress deadline when one is running)."""
    out = counts(deployment, sets, new)
    conditions = {c["type"]: c for c in deployment.get("status", {}).get("conditions", ())}
    _set(conditions, _availability(deployment, out), now)
    remaining = _progress(deployment, conditions, out, new, now)
    if failure:
        _set(conditions, _condition("ReplicaFailure", "True", "FailedCreate", failure), now)
    else:
        conditions.pop("ReplicaFailure", None)
    out["conditions"] = list(conditions.values())
    return out, remaining


def _condition(kind: str, value: str, reason: str, message: str) -> Obj:
    return {"type": kind, "status": value, "reason": reason, "message": message}


def _availability(deployment: Obj, counted: Obj) -> Obj:
    floor = deployment["spec"].get("replicas", 1) - d.max_unavailable(deployment)
    if counted.get("availableReplicas", 0) >= floor:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _set(conditions: dict[str, Obj], made: Obj, now: datetime) -> None:
    """Replace a condition; its transition time moves only when its status does."""
    before = conditions.get(made["type"])
    if before and all(before.get(k) == made[k] for k in ("status", "reason", "message")):
        return
    transition = before["lastTransitionTime"] if before and before["status"] == made["status"] else stamp(now)
    conditions[made["type"]] = {**made, "lastUpdateTime": stamp(now), "lastTransitionTime": transition}


def _progress(
    deployment: Obj, conditions: dict[str, Obj], counted: Obj, new: Obj | None, now: datetime
) -> float | None:
    """Keep the Progressing condition; returns the seconds left until the deadline."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if deadline is None or deadline >= 2**31 - 1:
        conditions.pop("Progressing", None)
        return None
    current = conditions.get("Progressing")
    paused = bool(deployment["spec"].get("paused"))
    if paused:
        if not (current and current["reason"] in (PAUSED, TIMED_OUT)):
            _set(conditions, _condition("Progressing", "Unknown", PAUSED, "Deployment is paused"), now)
        return None
    if current and current["reason"] == PAUSED:
        _set(conditions, _condition("Progressing", "Unknown", RESUMED, "Deployment is resumed"), now)
        current = conditions["Progressing"]
    name = (new or deployment)["metadata"]["name"]
    what = "ReplicaSet" if new else "Deployment"
    if is_complete(deployment, counted):
        message = f'{what} "{name}" has successfully progressed.'
        _set(conditions, _condition("Progressing", "True", NEW_AVAILABLE, message), now)
        return None
    if current is None or _progressed(deployment, counted) or _restarted(deployment, current, new):
        reason = "ReplicaSetUpdated" if current else "NewReplicaSetCreated"
        verb = "is progressing." if current else "has been created."
        made = _condition("Progressing", "True", reason, f'{what} "{name}" {verb}')
        before = conditions.pop("Progressing", None)
        keep = before is not None and before["status"] == "True"
        transition = before["lastTransitionTime"] if before is not None and keep else stamp(now)
        conditions["Progressing"] = {**made, "lastUpdateTime": stamp(now), "lastTransitionTime": transition}
        return float(deadline)
    return _deadline(conditions, current, deadline, what, name, now)


def _restarted(deployment: Obj, current: Obj, new: Obj | None) -> bool:
    """A rollout begins anew after a finished or failed one when there is a set that the condition does not speak of."""
    if current["reason"] not in (NEW_AVAILABLE, TIMED_OUT):
        return False
    mentioned = new is not None and f'"{new["metadata"]["name"]}"' in current.get("message", "")
    observed = deployment.get("status", {}).get("observedGeneration", 0)
    return not mentioned or (
        current["reason"] == NEW_AVAILABLE and observed < deployment["metadata"].get("generation", 0)
    )


def _deadline(
    conditions: dict[str, Obj], current: Obj, deadline: int, what: str, name: str, now: datetime
) -> float | None:
    if current["reason"] in (NEW_AVAILABLE, TIMED_OUT):
        return None
    left = deadline - (now - p.parse_time(current["lastUpdateTime"])).total_seconds()
    if left > 0:
        return left
    made = _condition("Progressing", "False", TIMED_OUT, f'{what} "{name}" has timed out progressing.')
    _set(conditions, made, now)
    return None
