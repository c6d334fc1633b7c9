"""ResourceQuota: how much a namespace may use. Its scopes are fixed at create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import IMMUTABLE, Errors
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._resources import canonical_list, check_amount, check_quota_name, is_quota_name
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Quota = dict[str, Any]

_COMPUTE = frozenset(
    ("pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"),
)
_SCOPES = {
    "BestEffort": frozenset(("pods",)),
    "CrossNamespacePodAffinity": _COMPUTE,
    "NotBestEffort": _COMPUTE,
    "NotTerminating": _COMPUTE,
    "PriorityClass": _COMPUTE,
    "Terminating": _COMPUTE,
    "VolumeAttributesClass": frozenset(("persistentvolumeclaims", "requests.storage")),
}
"""Scope → the resources that it can bound."""
_WITHOUT_VALUES = ("BestEffort", "CrossNamespacePodAffinity", "NotBestEffort", "NotTerminating", "Terminating")
_PAIRS = (("BestEffort", "NotBestEffort"), ("NotTerminating", "Terminating"))
_MUST_EXIST = (
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
    "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)


def default(obj: Quota) -> None:
    canonical_list((obj.get("spec") or {}).get("hard") or {})


def _check_amounts(amounts: Quota, path: str, errors: Errors) -> None:
    for name, value in amounts.items():
        check_quota_name(name, f"{path}[{name}]", errors)
        check_amount(name, value, f"{path}[{name}]", errors)


def _check_scope(scope: str, hard: Quota, path: str, errors: Errors, *, shown: Any) -> None:
    bounded = _SCOPES.get(scope, frozenset())
    for name in sorted(hard):
        if is_quota_name(name) and name not in bounded:
            errors.append(invalid_value(path, shown, "unsupported scope applied to resource"))


def _check_pairs(scopes: set[str], path: str, errors: Errors, *, shown: Any) -> None:
    for one, other in _PAIRS:
        if one in scopes and other in scopes:
            errors.append(invalid_value(path, shown, "conflicting scopes"))


def _check_expression(rule: Quota, path: str, errors: Errors) -> None:
    scope, operator, values = rule.get("scopeName") or "", rule.get("operator") or "", rule.get("values") or []
    if scope in _WITHOUT_VALUES and operator != "Exists":
        errors.append(invalid_value(f"{path}.operator", operator, _MUST_EXIST))
    if operator in ("In", "NotIn"):
        if not values:
            told = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            errors.append(required(f"{path}.values", told))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            told = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            errors.append(invalid_value(f"{path}.values", values, told))
    else:
        errors.append(invalid_value(f"{path}.operator", operator, "not a valid selector operator"))


def _check_scopes(spec: Quota, errors: Errors) -> None:
    hard, scopes = spec.get("hard") or {}, spec.get("scopes") or []
    for scope in scopes:
        if scope not in _SCOPES:
            errors.append(invalid_value("spec.scopes", scopes, "unsupported scope"))
        _check_scope(scope, hard, "spec.scopes", errors, shown=scopes)
    _check_pairs(set(scopes), "spec.scopes", errors, shown=scopes)
    selector, path = spec.get("scopeSelector") or {}, "spec.scopeSelector.matchExpressions"
    rules = selector.get("matchExpressions") or []
    for rule in rules:
        scope = rule.get("scopeName") or ""
        if scope not in _SCOPES:
            errors.append(invalid_value(f"{path}.scopeName", scope, "unsupported scope"))
        _check_scope(scope, hard, path, errors, shown=selector)
        _check_expression(rule, path, errors)
    _check_pairs({rule.get("scopeName") or "" for rule in rules}, path, errors, shown=spec.get("scopes"))


def validate(obj: Quota) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_amounts(spec.get("hard") or {}, "spec.hard", errors)
    _check_scopes(spec, errors)
    return errors


def validate_update(obj: Quota, old: Quota) -> list[FieldError]:
    scopes = (obj.get("spec") or {}).get("scopes") or []
    same = set(scopes) == set((old.get("spec") or {}).get("scopes") or ())
    return [] if same else [invalid_value("spec.scopes", scopes, IMMUTABLE)]


def validate_status_update(obj: Quota, old: Quota) -> list[FieldError]:
    errors: Errors = []
    for field in ("hard", "used"):
        _check_amounts((obj.get("status") or {}).get(field) or {}, f"status.{field}", errors)
    return errors


def row(obj: Quota, now: datetime) -> Sequence[Cell]:
    status = obj.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    texts = [(name, f"{name}: {used.get(name) or '0'}/{hard[name]}") for name in sorted(hard)]
    requests = ", ".join(text for name, text in texts if not name.startswith("limits."))
    limits = ", ".join(text for name, text in texts if name.startswith("limits."))
    return obj["metadata"]["name"], requests, limits, age_of(obj, now)


RULES = register(
    KindRules(
        group="",
        kind="ResourceQuota",
        default=default,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Request", description="What is requested, of what may be."),
            Column("Limit", description="What the limits add up to, of what they may."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
