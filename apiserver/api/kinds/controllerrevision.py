"""ControllerRevision: one state that a controller can return to. Its data never changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_immutable, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Revision = dict[str, Any]


def validate(obj: Revision) -> list[FieldError]:
    errors: Errors = []
    if obj.get("data") is None:
        errors.append(required("data", "data is mandatory"))
    check_not_negative(obj.get("revision"), "revision", errors)
    return errors


def validate_update(obj: Revision, old: Revision) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("data"), old.get("data"), "data", errors)
    return errors


def _controller(obj: Revision) -> str:
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = owner.get("kind", "").lower()
            return f"{kind}.{group}/{owner.get('name')}" if group else f"{kind}/{owner.get('name')}"
    return "<none>"


def row(obj: Revision, now: datetime) -> Sequence[Cell]:
    meta = obj["metadata"]
    return meta["name"], _controller(obj), obj.get("revision") or 0, age(meta.get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="apps",
        kind="ControllerRevision",
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Controller", description="Whose state this is."),
            Column("Revision", description="Its number, counted by the controller."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
