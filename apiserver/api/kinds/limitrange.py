"""LimitRange: bounds and defaults for what single pods, containers and claims of a namespace ask for."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, invalid_value, required
from apiserver.api.kinds._amounts import UNIT, amount
from apiserver.api.kinds._checks import Errors, check_name, qualified_name
from apiserver.api.kinds._resources import canonical_list, check_any_resource_name, check_resource_name, may_overcommit
from apiserver.api.kinds.base import KindRules, register

Item = dict[str, Any]

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_AMOUNTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_FOR_CONTAINERS = ("default", "defaultRequest")


def default(obj: Item) -> None:
    for item in (obj.get("spec") or {}).get("limits") or ():
        for field in _AMOUNTS:
            canonical_list(item.get(field) or {})
        if item.get("type") == "Container":
            _default_container(item)


def _default_container(item: Item) -> None:
    """The limit is the most there may be, the request is the limit, else the least there may be."""
    limits = {**(item.get("max") or {}), **(item.get("default") or {})}
    requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
    if limits:
        item["default"] = limits
    if requests:
        item["defaultRequest"] = requests


def _check_type(kind: str, path: str, errors: Errors) -> None:
    complaints = qualified_name(kind)
    check_name(kind, path, errors, rule=qualified_name)
    if not complaints and "/" not in kind and kind not in _TYPES:
        errors.append(invalid_value(path, kind, "must be a standard limit type or fully qualified"))


def _check_names(item: Item, path: str, errors: Errors, *, kind: str) -> None:
    check = check_resource_name if kind in ("Pod", "Container") else check_any_resource_name
    for field in _AMOUNTS:
        if kind == "Pod" and field in _FOR_CONTAINERS:
            if item.get(field):
                errors.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        for name in item.get(field) or ():
            check(name, f"{path}.{field}[{name}]", errors)


_REQUEST = "defaultRequest"
_ORDER = (
    ("min", "max", "min", "min", "min value {0} is greater than max value {1}"),
    ("min", _REQUEST, _REQUEST, _REQUEST, "min value {0} is greater than default request value {1}"),
    (_REQUEST, "max", _REQUEST, _REQUEST, "default request value {0} is greater than max value {1}"),
    (_REQUEST, "default", _REQUEST, _REQUEST, "default request value {0} is greater than default limit value {1}"),
    ("min", "default", "default", "min", "min value {0} is greater than default value {1}"),
    ("default", "max", "default", "max", "default value {0} is greater than max value {1}"),
)
"""(what is less, what is more, where the complaint is placed, whose value it shows, the complaint)."""


def _check_order(name: str, path: str, errors: Errors, *, fields: dict[str, Any]) -> None:
    for less, more, place, shown, told in _ORDER:
        if less in fields and more in fields and amount(fields[less]) > amount(fields[more]):
            complaint = told.format(fields[less], fields[more])
            errors.append(invalid_value(f"{path}.{place}[{name}]", str(fields[shown]), complaint))
    one, other = fields.get("default"), fields.get(_REQUEST)
    if one is not None and other is not None and not may_overcommit(name) and amount(one) != amount(other):
        told = f"default value {one} must equal to defaultRequest value {other} in {name}"
        errors.append(invalid_value(f"{path}.defaultRequest[{name}]", str(other), told))


def _check_ratio(name: str, path: str, errors: Errors, *, fields: dict[str, Any]) -> None:
    ratio, low, high = fields.get("maxLimitRequestRatio"), fields.get("min"), fields.get("max")
    if ratio is None:
        return
    where = f"{path}.maxLimitRequestRatio[{name}]"
    if amount(ratio) < UNIT:
        errors.append(invalid_value(where, str(ratio), f"ratio {ratio} is less than 1"))
    if low is None or high is None or amount(low) <= 0:
        return
    if amount(ratio) * amount(low) > amount(high) * UNIT:
        told = f"ratio {ratio} is greater than max/min = {amount(high) / amount(low):f}"
        errors.append(invalid_value(where, str(ratio), told))


def _check_item(item: Item, path: str, errors: Errors) -> None:
    kind = item.get("type") or ""
    _check_names(item, path, errors, kind=kind)
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(f) or {}) for f in ("min", "max")):
        told = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{path}.limits", told))
    compared = [f for f in _AMOUNTS if kind != "Pod" or f not in _FOR_CONTAINERS]
    for name in {n for f in compared for n in item.get(f) or ()}:
        fields = {f: item[f][name] for f in compared if name in (item.get(f) or {})}
        _check_order(name, path, errors, fields=fields)
        _check_ratio(name, path, errors, fields=fields)


def validate(obj: Item) -> list[FieldError]:
    errors: Errors = []
    kinds: set[str] = set()
    for i, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
        kind, path = item.get("type") or "", f"spec.limits[{i}]"
        _check_type(kind, f"{path}.type", errors)
        if kind in kinds:
            errors.append(duplicate(f"{path}.type", kind))
        kinds.add(kind)
        _check_item(item, path, errors)
    return errors


RULES = register(
    KindRules(
        group="",
        kind="LimitRange",
        default=default,
        validate=validate,
        counts_generation=False,
        create_on_update=True,
    )
)
