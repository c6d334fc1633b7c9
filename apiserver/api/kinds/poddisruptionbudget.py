"""PodDisruptionBudget: how many pods of a selection may be away at once by somebody's will."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_optional_choice
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import check_selector
from apiserver.api.kinds._percents import check_at_most_all, check_positive
from apiserver.api.kinds._podtemplate import check_counts
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Budget = dict[str, Any]

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_BOUNDS = ("minAvailable", "maxUnavailable")
_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")


def prepare_create(obj: Budget) -> None:
    obj["status"] = dict.fromkeys(_COUNTS, 0)


def validate(obj: Budget) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    given = [field for field in _BOUNDS if spec.get(field) is not None]
    if len(given) > 1:
        told = "minAvailable and maxUnavailable cannot be both set"
        errors.append(invalid_value("spec", spec, told))
    for field in given:
        check_positive(spec[field], f"spec.{field}", errors)
        check_at_most_all(spec[field], f"spec.{field}", errors)
    check_selector(spec.get("selector"), "spec.selector", errors)
    policy = spec.get("unhealthyPodEvictionPolicy")
    check_optional_choice(policy, "spec.unhealthyPodEvictionPolicy", errors, choices=_POLICIES)
    return errors


def validate_status_update(obj: Budget, old: Budget) -> list[FieldError]:
    errors: Errors = []
    check_counts(obj.get("status") or {}, errors, fields=_COUNTS)
    return errors


def _shown(value: int | str | None) -> str:
    return "N/A" if value is None else str(value)


def row(obj: Budget, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj.get("spec") or {}, obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        _shown(spec.get("minAvailable")),
        _shown(spec.get("maxUnavailable")),
        status.get("disruptionsAllowed") or 0,
        age(meta.get("creationTimestamp"), now),
    )


RULES = register(
    KindRules(
        group="policy",
        kind="PodDisruptionBudget",
        prepare_create=prepare_create,
        validate=validate,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Min Available", description="How many pods must stay."),
            Column("Max Unavailable", description="How many pods may be away."),
            Column("Allowed Disruptions", "integer", description="How many pods may be evicted now."),
            AGE_COLUMN,
        ),
        row=row,
    )
)
