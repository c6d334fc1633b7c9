"""DaemonSet: one pod of a template on every node that fits. Which pods are its own is fixed at create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import labels_text, selector_text
from apiserver.api.kinds._percents import check_at_most_all, check_positive, number
from apiserver.api.kinds._podtemplate import (
    SELECTOR_COLUMN,
    WIDE_COLUMNS,
    check_collision_count,
    check_counts,
    check_workload,
    default_template,
    selector_is_immutable,
    template_cells,
    template_spec,
)
from apiserver.api.kinds.base import Cell, Column, KindRules, register

DaemonSet = dict[str, Any]

_STRATEGIES = ("RollingUpdate", "OnDelete")
_COUNTS = (
    "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "observedGeneration",
    "updatedNumberScheduled", "numberAvailable", "numberUnavailable", "collisionCount",
)  # fmt: skip


def default(obj: DaemonSet) -> None:
    spec = obj.setdefault("spec", {})
    strategy = spec.get("updateStrategy") or {}
    spec["updateStrategy"] = strategy
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = rolling
        for field, value in (("maxUnavailable", 1), ("maxSurge", 0)):
            if rolling.get(field) is None:
                rolling[field] = value
    if spec.get("revisionHistoryLimit") is None:
        spec["revisionHistoryLimit"] = 10
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: DaemonSet) -> None:
    zero = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
    obj["status"] = dict.fromkeys(zero, 0)


def _check_rolling(rolling: DaemonSet, errors: Errors) -> None:
    path = "spec.updateStrategy.rollingUpdate"
    unavailable, surge = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    for field, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        check_positive(value, f"{path}.{field}", errors)
        check_at_most_all(value, f"{path}.{field}", errors)
    if number(unavailable) and number(surge):
        errors.append(invalid_value(f"{path}.maxSurge", surge, "may not be set when maxUnavailable is non-zero"))
    if not number(unavailable) and not number(surge):
        errors.append(required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))


def validate(obj: DaemonSet) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_workload(spec, errors, kind="DaemonSet", empty="empty selector is invalid for daemonset")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") not in _STRATEGIES:
        errors.append(not_supported("spec.updateStrategy", strategy.get("type"), _STRATEGIES))
    elif strategy["type"] == "RollingUpdate":
        _check_rolling(strategy.get("rollingUpdate") or {}, errors)
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        check_not_negative(spec.get(field), f"spec.{field}", errors)
    return errors


def validate_status_update(obj: DaemonSet, old: DaemonSet) -> list[FieldError]:
    errors: Errors = []
    status = obj.get("status") or {}
    check_counts(status, errors, fields=_COUNTS)
    check_collision_count(status, old.get("status") or {}, errors)
    return errors


def row(obj: DaemonSet, now: datetime) -> Sequence[Cell]:
    status, meta = obj.get("status") or {}, obj["metadata"]
    counts = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    return (
        meta["name"],
        *(status.get(field) or 0 for field in counts),
        labels_text(template_spec(obj).get("nodeSelector")),
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
        selector_text(obj["spec"].get("selector")),
    )


RULES = register(
    KindRules(
        group="apps",
        kind="DaemonSet",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=selector_is_immutable,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Desired", "integer", description="How many nodes should run the pod."),
            Column("Current", "integer", description="How many of them do."),
            Column("Ready", "integer", description="How many of those pods are ready."),
            Column("Up-to-date", "integer", description="How many are of the newest template."),
            Column("Available", "integer", description="How many are ready for at least minReadySeconds."),
            Column("Node Selector", description="Which nodes should run the pod."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
            SELECTOR_COLUMN,
        ),
        row=row,
    )
)
