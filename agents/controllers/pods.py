"""What controllers ask of a pod. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Obj = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def parse_time(text: str) -> datetime:
    """RFC 3339, as the API writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference that has `controller: true`."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            found: Obj = reference
            return found
    return None


def owned_by(obj: Obj, owner_uid: str) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner_uid


def owner_reference(owner: Obj, api_version: str, kind: str) -> Obj:
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_terminating(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def phase(pod: Obj) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def is_active(pod: Obj) -> bool:
    """Counts as a replica: neither finished nor on its way out."""
    return phase(pod) not in ("Succeeded", "Failed") and not is_terminating(pod)


def condition(obj: Obj, name: str) -> Obj | None:
    for one in obj.get("status", {}).get("conditions", ()):
        if one.get("type") == name:
            found: Obj = one
            return found
    return None


def is_ready(pod: Obj) -> bool:
    ready = condition(pod, "Ready")
    return ready is not None and ready.get("status") == "True"


def ready_since(pod: Obj) -> datetime | None:
    ready = condition(pod, "Ready")
    if ready is None or ready.get("status") != "True" or not ready.get("lastTransitionTime"):
        return None
    return parse_time(ready["lastTransitionTime"])


def available_in(pod: Obj, min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the pod counts as available; 0 when it does; None while it is not ready."""
    if not is_ready(pod):
        return None
    since = ready_since(pod)
    if min_ready_seconds == 0 or since is None:
        return 0.0
    return max(0.0, (since + timedelta(seconds=min_ready_seconds) - now).total_seconds())


def restarts(pod: Obj) -> int:
    return max((int(c.get("restartCount", 0)) for c in pod.get("status", {}).get("containerStatuses", ())), default=0)


def deletion_cost(pod: Obj) -> int:
    text = pod["metadata"].get("annotations", {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0
