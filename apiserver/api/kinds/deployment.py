"""Deployment: a template that is rolled out and back. Which pods are its own is fixed at create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import selector_text
from apiserver.api.kinds._percents import check_at_most_all, check_positive, number
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    check_at_most,
    check_collision_count,
    check_counts,
    check_workload,
    default_template,
    selector_is_immutable,
    template_cells,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Deployment = dict[str, Any]

_STRATEGIES = ("Recreate", "RollingUpdate")
_COUNTS = (
    "observedGeneration", "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
    "terminatingReplicas", "collisionCount",
)  # fmt: skip
_DEFAULTS = {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}


def _default_strategy(spec: Deployment) -> None:
    strategy = spec.get("strategy") or {}
    spec["strategy"] = strategy
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = rolling
        for field in ("maxUnavailable", "maxSurge"):
            if rolling.get(field) is None:
                rolling[field] = "25%"


def default(obj: Deployment) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _DEFAULTS.items():
        if spec.get(field) is None:
            spec[field] = value
    _default_strategy(spec)
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: Deployment) -> None:
    obj["status"] = {}


def _check_rolling(rolling: Deployment, errors: Errors) -> None:
    path = "spec.strategy.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    check_positive(unavailable, f"{path}.maxUnavailable", errors)
    check_positive(surge, f"{path}.maxSurge", errors)
    if number(unavailable) == 0 and number(surge) == 0:
        errors.append(invalid_value(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0"))
    check_at_most_all(unavailable, f"{path}.maxUnavailable", errors)


def _check_strategy(strategy: Deployment, errors: Errors) -> None:
    kind, rolling = strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            told = "may not be specified when strategy `type` is 'Recreate'"
            errors.append(forbidden("spec.strategy.rollingUpdate", told))
    elif kind != "RollingUpdate":
        errors.append(not_supported("spec.strategy.type", kind, _STRATEGIES))
    elif rolling is None:
        errors.append(required("spec.strategy.rollingUpdate", "this should be defaulted and never be nil"))
    else:
        _check_rolling(rolling, errors)


def validate(obj: Deployment) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_not_negative(spec.get("replicas"), "spec.replicas", errors)
    check_workload(spec, errors, kind="ReplicaSet", empty="empty selector is invalid for deployment")
    _check_strategy(spec.get("strategy") or {}, errors)
    for field in ("minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        check_not_negative(spec.get(field), f"spec.{field}", errors)
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        errors.append(invalid_value("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"))
    return errors


def validate_status_update(obj: Deployment, old: Deployment) -> list[FieldError]:
    errors: Errors = []
    status = obj.get("status") or {}
    check_counts(status, errors, fields=_COUNTS)
    parts = ("updatedReplicas", "readyReplicas", "availableReplicas")
    check_at_most(status, errors, fields=parts, bound="replicas", told="cannot be greater than status.replicas")
    told = "cannot be greater than readyReplicas"
    check_at_most(status, errors, fields=("availableReplicas",), bound="readyReplicas", told=told)
    check_collision_count(status, old.get("status") or {}, errors)
    return errors


def row(obj: Deployment, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        f"{status.get('readyReplicas') or 0}/{spec.get('replicas') or 0}",
        status.get("updatedReplicas") or 0,
        status.get("availableReplicas") or 0,
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
        selector_text(spec.get("selector")),
    )


RULES = register(
    KindRules(
        group="apps",
        kind="Deployment",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=selector_is_immutable,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Ready", description="Ready pods of those asked for."),
            Column("Up-to-date", description="Pods of the newest template."),
            Column("Available", description="Pods ready for at least minReadySeconds."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
            SELECTOR_COLUMN,
        ),
        row=row,
        extra={"generation_counts_annotations": True},
    )
)
