"""Label selectors in the specs of workloads: validation, matching, and the one-line form that tables show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, required
from apiserver.api.kinds._checks import Errors, check_name, label_value, qualified_name
from apiserver.api.selectors import LabelSelector, SelectorError

Selector = dict[str, Any]

_WITH_VALUES = ("In", "NotIn")
_WITHOUT_VALUES = ("Exists", "DoesNotExist")


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


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether all of the selector holds for these labels. One that can't be read has been complained of already."""
    try:
        return LabelSelector.from_object(selector).matches(labels)
    except SelectorError:
        return True


def labels_text(labels: Mapping[str, str] | None) -> str:
    """What a table shows of plain labels: `a=1,b=2`, or `<none>`."""
    return LabelSelector.from_labels(labels).key or "<none>"


def selector_text(selector: Selector | None) -> str:
    """What a table shows of a selector: `<none>` where it is empty or missing."""
    if not selector:
        return "<none>"
    try:
        return LabelSelector.from_object(selector).key or "<none>"
    except SelectorError:
        return "<error>"
