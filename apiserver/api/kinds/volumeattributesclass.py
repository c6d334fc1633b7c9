"""VolumeAttributesClass: what may be changed about a volume while it is used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register
from apiserver.api.kinds.storageclass import check_parameters, check_provisioner, named

_DEFAULT_MARKS = ("storage.alpha.kubernetes.io/is-default-class",)


def validate(obj: dict[str, Any]) -> list[FieldError]:
    errors: Errors = []
    check_provisioner(obj.get("driverName") or "", "driverName", errors)
    check_parameters(obj.get("parameters") or {}, errors, may_be_empty=False)
    return errors


def validate_update(obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    changed = (field for field in ("driverName", "parameters") if (obj.get(field) or None) != (old.get(field) or None))
    return [forbidden(field, f"updates to {field} are forbidden.") for field in changed]


def row(obj: dict[str, Any], now: datetime) -> Sequence[Cell]:
    return named(obj, _DEFAULT_MARKS), obj.get("driverName") or "", age_of(obj, now)


RULES = register(
    KindRules(
        group="storage.k8s.io",
        kind="VolumeAttributesClass",
        validate=validate,
        validate_update=validate_update,
        columns=(NAME_COLUMN, Column("DriverName", description="Whose volumes it is for."), AGE_COLUMN),
        row=row,
        counts_generation=False,
    )
)
