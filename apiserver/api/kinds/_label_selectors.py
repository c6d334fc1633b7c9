"""Label selectors in the specs of workloads: validation, matching, and the one-line form that tables show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, required
from apiserver.api.kinds._checks import Errors, check_name, label_value, qualified_name

Selector = dict[str, Any]

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")
_SYMBOLS = {"In": "in", "NotIn": "notin"}


def is_empty(selector: Selector | None) -> bool:
    return not selector or not (selector.get("matchLabels") or selector.get("matchExpressions"))


def _check_requirement(requirement: Selector, path: str, errors: Errors) -> None:
    operator, values = requirement.get("operator"), requirement.get("values") or []
    if operator in _WITH_VALUES:
        if not values:
            errors.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in _WITHOUT_VALUES:
        if values:
            told = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{path}.values", told))
    else:
        errors.append(invalid_value(f"{path}.operator", operator or "", "not a valid selector operator"))
    check_name(requirement.get("key") or "", f"{path}.key", errors, rule=qualified_name)
    for i, value in enumerate(values):
        check_name(value, f"{path}.values[{i}]", errors, rule=label_value)


def check_selector(selector: Selector | None, path: str, errors: Errors) -> None:
    if not selector:
        return
    for key, value in (selector.get("matchLabels") or {}).items():
        check_name(key, f"{path}.matchLabels", errors, rule=qualified_name)
        check_name(value, f"{path}.matchLabels", errors, rule=label_value)
    for i, requirement in enumerate(selector.get("matchExpressions") or ()):
        _check_requirement(requirement, f"{path}.matchExpressions[{i}]", errors)


def _meets(requirement: Selector, labels: Mapping[str, str]) -> bool:
    key, operator = requirement.get("key", ""), requirement.get("operator")
    values = requirement.get("values") or ()
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    return (key in labels) == (operator == "Exists")


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether all of the selector holds for these labels; an empty one holds for any."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_meets(r, labels) for r in selector.get("matchExpressions") or ())


def labels_text(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2`, or `<none>`."""
    if not labels:
        return "<none>"
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def _requirement_text(requirement: Selector) -> str:
    key, operator = requirement.get("key", ""), requirement.get("operator", "")
    if operator == "Exists":
        return str(key)
    if operator == "DoesNotExist":
        return f"!{key}"
    values = ",".join(sorted(requirement.get("values") or ()))
    return f"{key} {_SYMBOLS.get(operator, operator)} ({values})"


def selector_query(selector: Selector | None) -> str:
    """The selector as the `labelSelector` parameter of a list takes it, ordered by key; empty for none."""
    if selector is None:
        return ""
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [(r.get("key", ""), _requirement_text(r)) for r in selector.get("matchExpressions") or ()]
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0]))


def selector_text(selector: Selector | None) -> str:
    """What a table shows: `<none>` for an empty selector, `<unset>` for a missing one."""
    if selector is None:
        return "<unset>"
    return selector_query(selector) or "<none>"
