"""HorizontalPodAutoscaler (`autoscaling/v2`): how many replicas a workload has, within bounds, by what it uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import NOT_POSITIVE, Errors, check_choice, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Autoscaler = dict[str, Any]

_SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_SHOWN = 2
_UNKNOWN = "<unknown>"
_POLICIES = ("Disabled", "Max", "Min")
_MAX_WINDOW_SECONDS = 3600
_MAX_PERIOD_SECONDS = 1800
_PATIENCE = {"scaleUp": 0, "scaleDown": 300}
_RULES: dict[str, list[dict[str, Any]]] = {
    "scaleUp": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
    "scaleDown": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}


def _default_behavior(behavior: Autoscaler) -> None:
    for side, policies in _RULES.items():
        rules = behavior.setdefault(side, {})
        if not rules.get("policies"):
            rules["policies"] = [dict(policy) for policy in policies]
        if rules.get("selectPolicy") is None:
            rules["selectPolicy"] = "Max"
        if side == "scaleUp" and rules.get("stabilizationWindowSeconds") is None:
            rules["stabilizationWindowSeconds"] = _PATIENCE[side]


def default(obj: Autoscaler) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("minReplicas") is None:
        spec["minReplicas"] = 1
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior and (behavior.get("scaleUp") is not None or behavior.get("scaleDown") is not None):
        _default_behavior(behavior)


def prepare_create(obj: Autoscaler) -> None:
    obj["status"] = {"desiredReplicas": 0}


def _check_reference(target: Autoscaler, path: str, errors: Errors) -> None:
    for field in ("kind", "name"):
        value = target.get(field)
        if not value:
            errors.append(required(f"{path}.{field}"))
        elif value in (".", ".."):
            errors.append(invalid_value(f"{path}.{field}", value, f"may not be '{value}'"))
        else:
            for character in "/%":
                if character in value:
                    errors.append(invalid_value(f"{path}.{field}", value, f"may not contain '{character}'"))


def _check_target(target: Autoscaler, path: str, errors: Errors, *, fields: tuple[str, ...]) -> None:
    check_choice(target.get("type"), f"{path}.type", errors, choices=("AverageValue", "Utilization", "Value"))
    given = [field for field in fields if target.get(field) is not None]
    if not given:
        told = f"must set either a target raw value or a target utilization ({' or '.join(fields)})"
        errors.append(required(f"{path}.{fields[0]}", told))
    if len(given) > 1:
        errors.append(forbidden(f"{path}.{given[0]}", f"may not set both {given[0]} and {given[1]}"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(invalid_value(f"{path}.averageUtilization", utilization, "must be greater than 0"))


def _check_source(kind: str, source: Autoscaler, path: str, errors: Errors) -> None:
    if kind in ("Resource", "ContainerResource"):
        if not source.get("name"):
            errors.append(required(f"{path}.name", "must specify a resource name"))
        if kind == "ContainerResource" and not source.get("container"):
            errors.append(required(f"{path}.container", "must specify a container"))
        fields: tuple[str, ...] = ("averageUtilization", "averageValue")
    else:
        if not (source.get("metric") or {}).get("name"):
            errors.append(required(f"{path}.metric.name", "must specify a metric name"))
        if kind == "Object":
            _check_reference(source.get("describedObject") or {}, f"{path}.describedObject", errors)
        fields = ("averageValue",) if kind == "Pods" else ("value", "averageValue")
    _check_target(source.get("target") or {}, f"{path}.target", errors, fields=fields)


def _check_metric(metric: Autoscaler, path: str, errors: Errors) -> None:
    kind = metric.get("type")
    check_choice(kind, f"{path}.type", errors, choices=sorted(_SOURCES))
    field = _SOURCES.get(kind or "")
    for other in _SOURCES.values():
        if other != field and metric.get(other) is not None:
            errors.append(forbidden(f"{path}.{other}", "must populate the given metric source only"))
    if kind is None or field is None:
        return
    if metric.get(field) is None:
        told = "must populate information for the given metric source"
        errors.append(required(f"{path}.{field}", told))
    else:
        _check_source(kind, metric[field], f"{path}.{field}", errors)


def _check_rules(rules: Autoscaler, path: str, errors: Errors) -> None:
    window = rules.get("stabilizationWindowSeconds")
    check_not_negative(window, f"{path}.stabilizationWindowSeconds", errors)
    if window is not None and window > _MAX_WINDOW_SECONDS:
        told = f"must be less than or equal to {_MAX_WINDOW_SECONDS}"
        errors.append(invalid_value(f"{path}.stabilizationWindowSeconds", window, told))
    if rules.get("selectPolicy") is not None:
        check_choice(rules["selectPolicy"], f"{path}.selectPolicy", errors, choices=_POLICIES)
    policies = rules.get("policies") or []
    if not policies:
        errors.append(required(f"{path}.policies", "must specify at least one Policy"))
    for i, policy in enumerate(policies):
        where = f"{path}.policies[{i}]"
        check_choice(policy.get("type"), f"{where}.type", errors, choices=("Percent", "Pods"))
        for field in ("value", "periodSeconds"):
            value = policy.get(field) or 0
            if value <= 0:
                errors.append(invalid_value(f"{where}.{field}", value, NOT_POSITIVE))
        if (policy.get("periodSeconds") or 0) > _MAX_PERIOD_SECONDS:
            told = f"must be less than or equal to {_MAX_PERIOD_SECONDS}"
            errors.append(invalid_value(f"{where}.periodSeconds", policy["periodSeconds"], told))


def validate(obj: Autoscaler) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if low is not None and low < 1:
        errors.append(invalid_value("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        errors.append(invalid_value("spec.maxReplicas", high, "must be greater than 0"))
    if low is not None and high < low:
        errors.append(invalid_value("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    _check_reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", errors)
    for i, metric in enumerate(spec.get("metrics") or ()):
        _check_metric(metric, f"spec.metrics[{i}]", errors)
    behavior = spec.get("behavior") or {}
    for side in _RULES:
        if behavior.get(side) is not None:
            _check_rules(behavior[side], f"spec.behavior.{side}", errors)
    return errors


def _percent(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value}%"


def _metric_text(metric: Autoscaler, status: Autoscaler) -> str:
    kind = metric.get("type") or ""
    field = _SOURCES.get(kind)
    if field is None:
        return "<unknown type>"
    source = metric.get(field) or {}
    target, current = source.get("target") or {}, (status.get(field) or {}).get("current") or {}
    average = target.get("averageValue")
    if kind in ("Resource", "ContainerResource"):
        label = f"{source.get('name')}: "
        if average is not None:
            return f"{label}{current.get('averageValue', _UNKNOWN)}/{average}"
        used = _percent(current.get("averageUtilization"), _UNKNOWN)
        return f"{label}{used}/{_percent(target.get('averageUtilization'), '<auto>')}"
    if average is not None:
        suffix = "" if kind == "Pods" else " (avg)"
        return f"{current.get('averageValue', _UNKNOWN)}/{average}{suffix}"
    return f"{current.get('value', _UNKNOWN)}/{target.get('value')}"


def _targets(spec: Autoscaler, status: Autoscaler) -> str:
    metrics = spec.get("metrics") or []
    if not metrics:
        return "<none>"
    now = status.get("currentMetrics") or []
    texts = [_metric_text(metric, now[i] if i < len(now) else {}) for i, metric in enumerate(metrics)]
    shown = ", ".join(texts[:_SHOWN])
    return f"{shown} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else shown


def row(obj: Autoscaler, now: datetime) -> Sequence[Cell]:
    spec, status, meta = obj["spec"], obj.get("status") or {}, obj["metadata"]
    target = spec.get("scaleTargetRef") or {}
    low = spec.get("minReplicas")
    return (
        meta["name"],
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _targets(spec, status),
        "<unset>" if low is None else str(low),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        age(meta.get("creationTimestamp"), now),
    )


RULES = register(
    KindRules(
        group="autoscaling",
        kind="HorizontalPodAutoscaler",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        columns=(
            NAME_COLUMN,
            Column("Reference", description="What is scaled."),
            Column("Targets", description="What is measured, and what it should be."),
            Column("MinPods", description="The lower bound."),
            Column("MaxPods", description="The upper bound."),
            Column("Replicas", description="How many replicas there are."),
            AGE_COLUMN,
        ),
        row=row,
    )
)
