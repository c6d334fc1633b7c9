"""ReplicationController: the forerunner of ReplicaSet, whose selector is a plain set of labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import labels_text
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    check_at_most,
    check_counts,
    check_runs_always,
    check_selected,
    check_template,
    default_template,
    template_cells,
    template_labels,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Controller = dict[str, Any]

_COUNTS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")


def default(obj: Controller) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("replicas") is None:
        spec["replicas"] = 1
    template = spec.get("template")
    if template is None:
        return
    default_template(template)
    labels = template_labels(template)
    if not labels:
        return
    if not spec.get("selector"):
        spec["selector"] = dict(labels)
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)


def prepare_create(obj: Controller) -> None:
    obj["status"] = {"replicas": 0}


def validate(obj: Controller) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds", errors)
    selector = spec.get("selector")
    if not selector:
        errors.append(required("spec.selector"))
    check_not_negative(spec.get("replicas"), "spec.replicas", errors)
    template = spec.get("template")
    if template is None:
        errors.append(required("spec.template"))
        return errors
    check_selected(template, {"matchLabels": selector or {}}, "spec.template", errors)
    check_template(template, "spec.template", errors)
    check_runs_always(template, "spec.template", errors, kind="ReplicationController")
    return errors


def validate_status_update(obj: Controller, old: Controller) -> list[FieldError]:
    errors: Errors = []
    status = obj.get("status") or {}
    check_counts(status, errors, fields=_COUNTS)
    parts = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    check_at_most(status, errors, fields=parts, bound="replicas", told="cannot be greater than status.replicas")
    told = "cannot be greater than readyReplicas"
    check_at_most(status, errors, fields=("availableReplicas",), bound="readyReplicas", told=told)
    return errors


def row(obj: Controller, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        spec.get("replicas") or 0,
        status.get("replicas") or 0,
        status.get("readyReplicas") or 0,
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
        labels_text(spec.get("selector")),
    )


RULES = register(
    KindRules(
        group="",
        kind="ReplicationController",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
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
