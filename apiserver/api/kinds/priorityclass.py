"""PriorityClass: a number behind a name. Neither the number nor its preemption policy changes after create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._scheduling_validation import check_preemption
from apiserver.api.kinds.base import Cell, Column, KindRules, register

PriorityClass = dict[str, Any]

HIGHEST_USER_PRIORITY = 10**9
SYSTEM_PREFIX = "system-"
SYSTEM_CLASSES = {
    "system-node-critical": {"value": 2 * HIGHEST_USER_PRIORITY + 1000, "globalDefault": False},
    "system-cluster-critical": {"value": 2 * HIGHEST_USER_PRIORITY, "globalDefault": False},
}


def default(obj: PriorityClass) -> None:
    if obj.get("preemptionPolicy") is None:
        obj["preemptionPolicy"] = "PreemptLowerPriority"


def _is_known_system_class(obj: PriorityClass) -> str | None:
    """What is wrong with a class of the reserved names; None where nothing is."""
    name = obj["metadata"].get("name") or ""
    known = SYSTEM_CLASSES.get(name)
    if known is None:
        return "it is not allowed to add this priority class"
    if (obj.get("value") or 0) != known["value"]:
        return f"value of {name} PriorityClass must be {known['value']}"
    if bool(obj.get("globalDefault")) != known["globalDefault"]:
        return f"globalDefault of {name} PriorityClass must be {str(known['globalDefault']).lower()}"
    return None


def validate(obj: PriorityClass) -> list[FieldError]:
    errors: Errors = []
    name = obj["metadata"].get("name") or ""
    if name.startswith(SYSTEM_PREFIX):
        problem = _is_known_system_class(obj)
        if problem is not None:
            told = (
                f"priority class names with '{SYSTEM_PREFIX}' prefix are reserved for system use only. error: {problem}"
            )
            errors.append(forbidden("metadata.name", told))
    elif (obj.get("value") or 0) > HIGHEST_USER_PRIORITY:
        told = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        errors.append(forbidden("value", told))
    check_preemption(obj.get("preemptionPolicy"), "preemptionPolicy", errors)
    return errors


def validate_update(obj: PriorityClass, old: PriorityClass) -> list[FieldError]:
    errors: Errors = []
    if (obj.get("value") or 0) != (old.get("value") or 0):
        errors.append(forbidden("value", "may not be changed in an update."))
    if obj.get("preemptionPolicy") != old.get("preemptionPolicy"):
        errors.append(forbidden("preemptionPolicy", "may not be changed in an update."))
    return errors


def row(obj: PriorityClass, now: datetime) -> Sequence[Cell]:
    meta = obj["metadata"]
    return (
        meta["name"],
        obj.get("value") or 0,
        bool(obj.get("globalDefault")),
        age(meta.get("creationTimestamp"), now),
        obj.get("preemptionPolicy") or "",
    )


RULES = register(
    KindRules(
        group="scheduling.k8s.io",
        kind="PriorityClass",
        default=default,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Value", "integer", description="The priority of pods of this class."),
            Column("Global-Default", "boolean", description="Whether pods without a class get this one."),
            AGE_COLUMN,
            Column("PreemptionPolicy", description="Whether pods of this class may displace others."),
        ),
        row=row,
    )
)
