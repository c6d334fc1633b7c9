"""Conditions in CEL that narrow down which requests a webhook or a policy is about: named, and not empty."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import duplicate, required, too_many
from apiserver.api.kinds._checks import Errors, check_name, qualified_name

_MOST = 64


def check_match_conditions(conditions: list[dict[str, Any]], path: str, errors: Errors) -> None:
    """Not promised: that the expressions are CEL."""
    if len(conditions) > _MOST:
        errors.append(too_many(path, len(conditions), _MOST))
    seen: set[str] = set()
    for i, condition in enumerate(conditions):
        name, where = condition.get("name") or "", f"{path}[{i}]"
        if not (condition.get("expression") or "").strip():
            errors.append(required(f"{where}.expression"))
        if not name:
            errors.append(required(f"{where}.name"))
            continue
        check_name(name, f"{where}.name", errors, rule=qualified_name)
        if name in seen:
            errors.append(duplicate(f"{where}.name", name))
        seen.add(name)
