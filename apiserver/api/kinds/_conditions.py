"""Conditions of workloads: one per type, with the moment of its last change of status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Status = dict[str, Any]


def timestamp(now: datetime) -> str:
    """Whole seconds in UTC, as objects carry them."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_condition(status: Status, condition: Status, *, now: str) -> None:
    """Put the condition in place of the one of its type; the moment stays where the status did not change."""
    conditions = status.setdefault("conditions", [])
    for i, present in enumerate(conditions):
        if present.get("type") == condition["type"]:
            same = present.get("status") == condition["status"]
            since = present.get("lastTransitionTime") if same else now
            conditions[i] = {"lastProbeTime": None, **condition, "lastTransitionTime": since}
            return
    conditions.append({"lastProbeTime": None, **condition, "lastTransitionTime": now})
