"""HorizontalPodAutoscaler between `autoscaling/v2`, which is stored, and `autoscaling/v1`.

v1 knows one metric, the CPU's utilization. All else that v2 has travels in upstream's annotations
`autoscaling.alpha.kubernetes.io/…`, so that a client of v1 which reads and writes an object back loses nothing.
An annotation that holds something else than it should is dropped, as upstream does: it is only ever a courtesy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.api.conversion_behavior import behavior_from_text, behavior_to_text
from apiserver.api.conversion_metrics import Part, metric_to_v1, metric_to_v2
from apiserver.api.gotext import json_text
from apiserver.api.schema import schema_for
from apiserver.api.schema_check import TypeMismatch, check

Obj = dict[str, Any]

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS = _PREFIX + "metrics"
CURRENT_METRICS = _PREFIX + "current-metrics"
CONDITIONS = _PREFIX + "conditions"
BEHAVIOR = _PREFIX + "behavior"
_DOWN_TOLERANCE = _PREFIX + "scale-down-tolerance"
_UP_TOLERANCE = _PREFIX + "scale-up-tolerance"
_OURS = frozenset({METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR, _DOWN_TOLERANCE, _UP_TOLERANCE})
_V2 = "io.k8s.api.autoscaling.v2."
_DEFAULT_CPU_UTILIZATION = 80

_SPEC_FIELDS = ("scaleTargetRef", "minReplicas", "maxReplicas")
_STATUS_FIELDS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def v2_to_v1(obj: Obj) -> Obj:
    """What a client of v1 is shown."""
    out = {**obj, "apiVersion": "autoscaling/v1"}
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    out["spec"] = _kept(spec, _SPEC_FIELDS) | _cpu_target(metrics)
    if "status" in obj:
        out["status"] = _kept(status, _STATUS_FIELDS) | _cpu_current(current)
    told = {
        METRICS: _text([metric_to_v1(m, "target") for m in metrics if _cpu_utilization(m, "target") is None]),
        CURRENT_METRICS: _text([metric_to_v1(m, "current") for m in current]),
        CONDITIONS: _text(status.get("conditions") or []),
        BEHAVIOR: behavior_to_text(spec["behavior"]) if spec.get("behavior") is not None else "",
    }
    return _annotated(out, {key: text for key, text in told.items() if text})


def v1_to_v2(obj: Obj) -> Obj:
    """What is stored for an object of v1."""
    out = {**obj, "apiVersion": "autoscaling/v2"}
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    told: Obj = (obj.get("metadata") or {}).get("annotations") or {}
    out["spec"] = _kept(spec, _SPEC_FIELDS) | {"metrics": _metrics_of(spec, told)}
    behavior = behavior_from_text(told.get(BEHAVIOR, ""))
    if behavior and _fits("HorizontalPodAutoscalerBehavior", behavior):
        out["spec"]["behavior"] = behavior
    now = _status_of(status, told)
    if now or "status" in obj:
        out["status"] = now
    return _annotated(out, {})


def _metrics_of(spec: Obj, told: Obj) -> list[Obj]:
    metrics = _from_annotation(told.get(METRICS, ""), "MetricSpec", "target")
    percent = spec.get("targetCPUUtilizationPercentage")
    if percent is None and not metrics:
        percent = _DEFAULT_CPU_UTILIZATION
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    return metrics


def _status_of(status: Obj, told: Obj) -> Obj:
    out = _kept(status, _STATUS_FIELDS)
    current = _from_annotation(told.get(CURRENT_METRICS, ""), "MetricStatus", "current")
    percent = status.get("currentCPUUtilizationPercentage")
    if not current and percent is not None:
        resource = {"name": "cpu", "current": {"averageUtilization": percent}}
        current = [{"type": "Resource", "resource": resource}]
    conditions = _listed(told.get(CONDITIONS, ""))
    if current:
        out["currentMetrics"] = current
    if conditions and all(_fits("HorizontalPodAutoscalerCondition", c) for c in conditions):
        out["conditions"] = conditions
    return out


def _from_annotation(text: str, kind: str, part: Part) -> list[Obj]:
    metrics = [metric_to_v2(m, part) for m in _listed(text)]
    return metrics if all(_fits(kind, m) for m in metrics) else []


def _listed(text: str) -> list[Obj]:
    """The objects that an annotation holds; none where it is no list of objects."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return found if isinstance(found, list) and all(isinstance(item, dict) for item in found) else []


def _fits(kind: str, value: Obj) -> bool:
    """Annotations are the client's own text: what they hold is held against the schema like any body."""
    try:
        check(schema_for(_V2 + kind), value, unknown="ignore")
    except TypeMismatch:
        return False
    return True


def _kept(section: Obj, fields: Sequence[str]) -> Obj:
    return {name: section[name] for name in fields if section.get(name) is not None}


def _cpu_utilization(metric: Obj, part: str) -> int | None:
    """The percentage of a metric that v1 can express."""
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get(part) or {}).get("averageUtilization")
    return found


def _cpu_target(metrics: list[Obj]) -> Obj:
    found = [u for m in metrics if (u := _cpu_utilization(m, "target")) is not None]
    return {"targetCPUUtilizationPercentage": found[0]} if found else {}


def _cpu_current(metrics: list[Obj]) -> Obj:
    found = [u for m in metrics if (u := _cpu_utilization(m, "current")) is not None]
    return {"currentCPUUtilizationPercentage": found[-1]} if found else {}


def _text(items: list[Obj]) -> str:
    return json_text(items) if items else ""


def _annotated(obj: Obj, added: dict[str, str]) -> Obj:
    """With these annotations, and without the ones that an earlier conversion left."""
    metadata: Obj = dict(obj.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.pop("annotations", None) or {}).items() if k not in _OURS} | added
    if annotations:
        metadata["annotations"] = annotations
    return {**obj, "metadata": metadata}
