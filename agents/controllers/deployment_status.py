"""The status of a Deployment: counts, and the conditions Available, Progressing and ReplicaFailure. Pure.

Upstream: pkg/controller/deployment/{sync,progress}.go and deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.controllers import deployment_decide as d
from agents.controllers import pods as p

Obj = dict[str, Any]

AVAILABLE = "Available"
PROGRESSING = "Progressing"
REPLICA_FAILURE = "ReplicaFailure"

SET_CREATED = "NewReplicaSetCreated"
SET_FOUND = "FoundNewReplicaSet"
SET_FAILED = "ReplicaSetCreateError"
SET_UPDATED = "ReplicaSetUpdated"
SET_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"

NO_DEADLINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class News:
    """What a step of the rollout has to tell in the condition Progressing."""

    reason: str
    message: str


def counts(deployment: Obj, sets: Sequence[Obj], new: Obj | None) -> Obj:
    """`unavailableReplicas` counts against what the sets are told to have, as upstream does."""
    available = _sum(sets, "availableReplicas")
    made: Obj = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(sets, "replicas"),
        "updatedReplicas": _sum([new], "replicas") if new else 0,
        "readyReplicas": _sum(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(d.wanted(rs) for rs in sets) - available),
        "collisionCount": deployment.get("status", {}).get("collisionCount", 0),
    }
    out = {k: v for k, v in made.items() if v or k == "observedGeneration"}
    if all("terminatingReplicas" in rs.get("status", {}) for rs in sets):
        out["terminatingReplicas"] = _sum(sets, "terminatingReplicas")
    return out


def _sum(sets: Sequence[Obj], field: str) -> int:
    return sum(int(rs.get("status", {}).get(field, 0)) for rs in sets)


def is_complete(deployment: Obj, counted: Obj) -> bool:
    """All pods are of the present template, available, and no others are left."""
    replicas = deployment["spec"].get("replicas", 1)
    fields = ("updatedReplicas", "replicas", "availableReplicas")
    observed: bool = counted.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return observed and all(counted.get(field, 0) == replicas for field in fields)


def has_deadline(deployment: Obj) -> bool:
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    return deadline is not None and deadline != NO_DEADLINE


def status(
    deployment: Obj, sets: Sequence[Obj], new: Obj | None, now: datetime, *, news: News | None, rolls: bool
) -> tuple[Obj, float | None]:
    """(the status, seconds until the progress deadline when one is running). `rolls`: this was a step of a rollout,
    and not a change of size or a pause, which say nothing about progress."""
    out = counts(deployment, sets, new)
    conditions = _Conditions(deployment, now)
    conditions.set(*_availability(deployment, out))
    if not has_deadline(deployment):
        conditions.drop(PROGRESSING)
    else:
        _tell(deployment, conditions, news)
        if rolls:
            _estimate(deployment, conditions, out, new)
    if rolls:
        conditions.put(REPLICA_FAILURE, _replica_failure(sets, new))
    out["conditions"] = conditions.all()
    return out, _deadline_in(deployment, conditions, out) if rolls else None


class _Conditions:
    """The conditions of a status in the making."""

    def __init__(self, deployment: Obj, now: datetime) -> None:
        self.now = now
        self._stamp = p.stamp(now)
        self._by_type: dict[str, Obj] = {c["type"]: c for c in deployment.get("status", {}).get("conditions", ())}

    def get(self, kind: str) -> Obj | None:
        return self._by_type.get(kind)

    def reason(self, kind: str) -> str:
        return str(self._by_type.get(kind, {}).get("reason", ""))

    def all(self) -> list[Obj]:
        return list(self._by_type.values())

    def drop(self, kind: str) -> None:
        self._by_type.pop(kind, None)

    def put(self, kind: str, condition: Obj | None) -> None:
        """Exactly this condition, or none."""
        if condition is None:
            self.drop(kind)
        else:
            self._by_type[kind] = condition

    def set(self, kind: str, value: str, reason: str, message: str) -> None:
        """One of the same value and reason stays as it is."""
        before = self.get(kind)
        if before is None or (before["status"], before.get("reason")) != (value, reason):
            self.renew(kind, value, reason, message)

    def renew(self, kind: str, value: str, reason: str, message: str) -> None:
        """Its update time says now; its transition time moves only when its value does."""
        before = self._by_type.pop(kind, None)
        since = before["lastTransitionTime"] if before and before["status"] == value else self._stamp
        self._by_type[kind] = {
            "type": kind,
            "status": value,
            "lastUpdateTime": self._stamp,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }


def _availability(deployment: Obj, counted: Obj) -> tuple[str, str, str, str]:
    floor = deployment["spec"].get("replicas", 1) - d.max_unavailable(deployment)
    if counted.get("availableReplicas", 0) >= floor:
        return AVAILABLE, "True", "MinimumReplicasAvailable", "Deployment has minimum availability."
    return AVAILABLE, "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."


def _tell(deployment: Obj, conditions: _Conditions, news: News | None) -> None:
    """Pausing, resuming, and what became of the new set. A deadline that was missed is not covered by a pause."""
    paused, reason = bool(deployment["spec"].get("paused")), conditions.reason(PROGRESSING)
    if paused and reason not in (PAUSED, TIMED_OUT):
        conditions.set(PROGRESSING, "Unknown", PAUSED, "Deployment is paused")
    elif not paused and reason == PAUSED:
        conditions.set(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed")
    if news is None or (news.reason == SET_FOUND and conditions.get(PROGRESSING) is not None):
        return
    conditions.set(PROGRESSING, "False" if news.reason == SET_FAILED else "True", news.reason, news.message)


def _estimate(deployment: Obj, conditions: _Conditions, counted: Obj, new: Obj | None) -> None:
    """Complete, moving, or stuck. A rollout that was complete stays so while all pods are of the present template."""
    all_new = counted.get("replicas", 0) == counted.get("updatedReplicas", 0)
    if all_new and conditions.reason(PROGRESSING) == SET_AVAILABLE:
        return
    name = (new or deployment)["metadata"]["name"]
    what = f'{"ReplicaSet" if new else "Deployment"} "{name}"'
    if is_complete(deployment, counted):
        conditions.set(PROGRESSING, "True", SET_AVAILABLE, f"{what} has successfully progressed.")
    elif _progressed(deployment, counted):
        conditions.renew(PROGRESSING, "True", SET_UPDATED, f"{what} is progressing.")
    elif _seconds_left(deployment, conditions) <= 0:
        conditions.set(PROGRESSING, "False", TIMED_OUT, f"{what} has timed out progressing.")


def _progressed(deployment: Obj, counted: Obj) -> bool:
    """Something moved since the last status."""
    before = deployment.get("status", {})

    def rose(field: str) -> bool:
        return bool(counted.get(field, 0) > before.get(field, 0))

    olds = [s.get("replicas", 0) - s.get("updatedReplicas", 0) for s in (before, counted)]
    return rose("updatedReplicas") or olds[1] < olds[0] or rose("readyReplicas") or rose("availableReplicas")


def _seconds_left(deployment: Obj, conditions: _Conditions) -> float:
    """Until the deadline that the last sign of progress set; without end where none is running."""
    current = conditions.get(PROGRESSING)
    if current is None or current.get("reason") == SET_AVAILABLE:
        return float("inf")
    if current.get("reason") == TIMED_OUT:
        return 0.0
    elapsed = (conditions.now - p.parse_time(current["lastUpdateTime"])).total_seconds()
    return float(deployment["spec"]["progressDeadlineSeconds"]) - elapsed


def _deadline_in(deployment: Obj, conditions: _Conditions, counted: Obj) -> float | None:
    if not has_deadline(deployment) or is_complete(deployment, counted):
        return None
    left = _seconds_left(deployment, conditions)
    return left if 0 < left < float("inf") else None


def _replica_failure(sets: Sequence[Obj], new: Obj | None) -> Obj | None:
    """What keeps a set from making its pods; the new set's trouble goes before that of the old ones."""
    for rs in [*([new] if new is not None else []), *sets]:
        found = p.condition(rs, REPLICA_FAILURE)
        if found is not None:
            since = found.get("lastTransitionTime", "")
            return {
                "type": REPLICA_FAILURE,
                "status": found["status"],
                "lastUpdateTime": since,
                "lastTransitionTime": since,
                "reason": found.get("reason", ""),
                "message": found.get("message", ""),
            }
    return None
