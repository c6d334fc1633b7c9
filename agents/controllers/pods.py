"""What controllers ask of pods and of the like. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

Obj = dict[str, Any]

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def parse_time(text: str) -> datetime:
    """RFC 3339, as the API writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def is_terminating(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def phase(pod: Obj) -> str:
    return str(pod.get("status", {}).get("phase", "Pending"))


def is_finished(pod: Obj) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Obj) -> bool:
    """Counts as a replica: neither finished nor on its way out."""
    return not is_finished(pod) and not is_terminating(pod)


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


def restarts(pod: Obj) -> tuple[int, int]:
    """(the most restarts of a container, the most restarts of a sidecar)."""
    status = pod.get("status", {})
    sidecars = {c["name"] for c in pod["spec"].get("initContainers", ()) if c.get("restartPolicy") == "Always"}
    sides = [c for c in status.get("initContainerStatuses", ()) if c.get("name") in sidecars]
    return _most(status.get("containerStatuses", ())), _most(sides)


def _most(statuses: Iterable[Obj]) -> int:
    return max((int(c.get("restartCount", 0)) for c in statuses), default=0)


def deletion_cost(pod: Obj) -> int:
    text = pod["metadata"].get("annotations", {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def stamp(now: datetime) -> str:
    """A time as the API writes it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def with_condition(status: Obj, condition: Obj, now: datetime) -> Obj:
    """The status with one condition set; its transition time moves only when its value does."""
    before = next((c for c in status.get("conditions", ()) if c["type"] == condition["type"]), None)
    moved = before is None or before.get("status") != condition["status"]
    since = stamp(now) if before is None or moved else before.get("lastTransitionTime", stamp(now))
    others = [c for c in status.get("conditions", ()) if c["type"] != condition["type"]]
    return {**status, "conditions": [*others, {**condition, "lastTransitionTime": since}]}
