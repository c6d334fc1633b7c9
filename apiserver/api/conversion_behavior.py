"""The scaling behavior of a HorizontalPodAutoscaler as the text of v1's annotation.

Upstream writes its internal Go struct there, whose fields have their Go names and are null where unset, and reads them
without regard to case.
"""

from __future__ import annotations

from typing import Any

import orjson

from apiserver.api.gotext import json_text

Obj = dict[str, Any]

_SIDES = {"ScaleUp": "scaleUp", "ScaleDown": "scaleDown"}
_RULES = {
    "StabilizationWindowSeconds": "stabilizationWindowSeconds",
    "SelectPolicy": "selectPolicy",
    "Policies": "policies",
    "Tolerance": "tolerance",
}
_POLICY: dict[str, tuple[str, Any]] = {
    "Type": ("type", ""),
    "Value": ("value", 0),
    "PeriodSeconds": ("periodSeconds", 0),
}


def behavior_to_text(behavior: Obj) -> str:
    return json_text({go: _rules_to_go(behavior.get(name)) for go, name in _SIDES.items()})


def _rules_to_go(rules: Obj | None) -> Obj | None:
    if rules is None:
        return None
    out = {go: rules.get(name) for go, name in _RULES.items()}
    if out["Policies"] is not None:
        out["Policies"] = [
            {go: policy.get(name, zero) for go, (name, zero) in _POLICY.items()} for policy in out["Policies"]
        ]
    return out


def behavior_from_text(text: str) -> Obj | None:
    """None where the text says nothing or is not what upstream writes; types are for the caller to check."""
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    out = {}
    for go, name in _SIDES.items():
        rules = _get(told, go)
        if isinstance(rules, dict):
            out[name] = _rules_from_go(rules)
    return out or None


def _rules_from_go(rules: Obj) -> Obj:
    out = {name: value for go, name in _RULES.items() if (value := _get(rules, go)) is not None}
    policies = out.get("policies")
    if isinstance(policies, list):
        out["policies"] = [_policy_from_go(policy) for policy in policies]
    return out


def _policy_from_go(policy: Any) -> Any:
    if not isinstance(policy, dict):
        return policy
    return {name: zero if (told := _get(policy, go)) is None else told for go, (name, zero) in _POLICY.items()}


def _get(told: Any, go: str) -> Any:
    """A field by its Go name, exactly or else in any case."""
    if not isinstance(told, dict):
        return None
    if go in told:
        return told[go]
    return next((value for name, value in told.items() if name.lower() == go.lower()), None)
