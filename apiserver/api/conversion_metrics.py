"""Metrics of a HorizontalPodAutoscaler between the form of `autoscaling/v2` and that of v1's annotations.

v2 says what is measured and the wanted (`target`) or measured (`current`) value in nested objects; v1 has flat fields
such as `targetAverageValue`. One table serves both parts and both directions.
"""

from __future__ import annotations

from typing import Any, Literal

Obj = dict[str, Any]
Part = Literal["target", "current"]

_UTILIZATION = {"AverageUtilization": "averageUtilization", "AverageValue": "averageValue"}
_VALUES = {
    "object": {"Value": "value", "averageValue": "averageValue"},
    "pods": {"AverageValue": "averageValue"},
    "resource": _UTILIZATION,
    "containerResource": _UTILIZATION,
    "external": {"Value": "value", "AverageValue": "averageValue"},
}
"""Source → field of v1 (after `target` or `current` where it starts with a capital) → field of v2."""
_SELECTORS = {"object": "selector", "pods": "selector", "external": "metricSelector"}
_ALWAYS = {
    "target": {"object": "Value", "pods": "AverageValue"},
    "current": {
        "object": "Value", "pods": "AverageValue", "resource": "AverageValue", "containerResource": "AverageValue",
        "external": "Value",
    },
}  # fmt: skip
"""The quantity that v1 can't leave out: it writes 0 for none."""
_TYPES = {
    "object": ("averageValue", "AverageValue", "Value"),
    "pods": ("averageValue", "AverageValue", "AverageValue"),
    "resource": ("averageUtilization", "Utilization", "AverageValue"),
    "containerResource": ("averageUtilization", "Utilization", "AverageValue"),
    "external": ("value", "Value", "AverageValue"),
}
"""Source → the field that decides the target's type, the type with it, the type without."""


def metric_to_v1(metric: Obj, part: Part) -> Obj:
    out: Obj = {"type": metric.get("type", "")}
    for name in _VALUES:
        source = metric.get(name)
        if source is not None:
            out[name] = _source_to_v1(name, source, part)
    return out


def _source_to_v1(name: str, source: Obj, part: Part) -> Obj:
    out: Obj = {}
    if name == "object":
        out["target"] = source.get("describedObject") or {}
    if name in _SELECTORS:
        measured = source.get("metric") or {}
        out["metricName"] = measured.get("name", "")
        if measured.get("selector") is not None:
            out[_SELECTORS[name]] = measured["selector"]
    else:
        out["name"] = source.get("name", "")
    values = source.get(part) or {}
    for flat, nested in _VALUES[name].items():
        if values.get(nested) is not None:
            out[_flat(flat, part)] = values[nested]
        elif _ALWAYS[part].get(name) == flat:
            out[_flat(flat, part)] = "0"
    if name == "containerResource":
        out["container"] = source.get("container", "")
    return out


def _flat(field: str, part: Part) -> str:
    return part + field if field[0].isupper() else field


def metric_to_v2(metric: Obj, part: Part) -> Obj:
    """Takes what a client may have written; the caller checks the result's types."""
    out: Obj = {"type": metric.get("type", "")}
    for name in _VALUES:
        source = metric.get(name)
        if isinstance(source, dict):
            out[name] = _source_to_v2(name, source, part)
    return out


def _source_to_v2(name: str, source: Obj, part: Part) -> Obj:
    out: Obj = {}
    if name == "object":
        out["describedObject"] = source.get("target") or {}
    if name in _SELECTORS:
        out["metric"] = {"name": source.get("metricName", "")}
        if source.get(_SELECTORS[name]) is not None:
            out["metric"]["selector"] = source[_SELECTORS[name]]
    else:
        out["name"] = source.get("name", "")
    if name == "containerResource":
        out["container"] = source.get("container", "")
    told = ((_flat(flat, part), nested) for flat, nested in _VALUES[name].items())
    values = {nested: source[flat] for flat, nested in told if source.get(flat) is not None}
    out[part] = _typed(name, values) if part == "target" else values
    return out


def _typed(name: str, values: Obj) -> Obj:
    """Of a target, v1 does not say the type: it follows from which value is there."""
    if name == "object" and "averageValue" in values and values.get("value") == "0":
        # No target is ever 0: v1 wrote it because it could not leave the field out.
        del values["value"]
    deciding, with_it, without = _TYPES[name]
    return {"type": with_it if deciding in values else without, **values}
