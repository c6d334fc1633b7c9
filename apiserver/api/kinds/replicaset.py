"""ReplicaSet: as many pods of one template as asked for. Which pods are its own is fixed at create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import selector_text
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    check_at_most,
    check_counts,
    check_workload,
    default_template,
    selector_is_immutable,
    template_cells,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

ReplicaSet = dict[str, Any]

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


def default(obj: ReplicaSet) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: ReplicaSet) -> None:
    obj["status"] = {"replicas": 0}


def validate(obj: ReplicaSet) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_not_negative(spec.get("replicas"), "spec.replicas", errors)
    check_not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds", errors)
    check_workload(spec, errors, kind="ReplicaSet", empty="empty selector is invalid for deployment")
    return errors


def validate_status_update(obj: ReplicaSet, old: ReplicaSet) -> list[FieldError]:
    errors: Errors = []
    status = obj.get("status") or {}
    check_counts(status, errors, fields=_COUNTS)
    parts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    check_at_most(status, errors, fields=parts, bound="replicas", told="cannot be greater than status.replicas")
    told = "cannot be greater than readyReplicas"
    check_at_most(status, errors, fields=("availableReplicas",), bound="readyReplicas", told=told)
    return errors


def row(obj: ReplicaSet, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
        selector_text(spec.get("selector")),
    )


RULES = register(
    KindRules(
        group="apps",
        kind="ReplicaSet",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=selector_is_immutable,
        validate_status_update=validate_status_update,
        selectable_fields=lambda obj: {"status.replicas": str((obj.get("status") or {}).get("replicas") or 0)},
        field_names=frozenset(("status.replicas",)),
        columns=(
            NAME_COLUMN,
            Column("Desired", "integer", description="How many pods are asked for."),
            Column("Current", "integer", description="How many pods there are."),
            Column("Ready", "integer", description="How many of them are ready."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
            SELECTOR_COLUMN,
        ),
        row=row,
    )
)
