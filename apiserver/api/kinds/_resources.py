"""What a container asks for and may use: canonical quantities, and the rules between requests and limits."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, invalid_value, required
from apiserver.api.kinds._amounts import UNIT, amount, canonical
from apiserver.api.kinds._checks import NOT_NEGATIVE, Errors, qualified_name

Amounts = dict[str, Any]

HUGE_PAGES = "hugepages-"
_FOR_CONTAINERS = frozenset(("cpu", "memory", "ephemeral-storage"))
_FOR_PODS = frozenset(("cpu", "memory"))
_COUNTED = frozenset(
    [
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ]
)
_STANDARD = _COUNTED | frozenset(
    [
        "cpu",
        "memory",
        "ephemeral-storage",
        "storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    ]
)


def canonical_list(amounts: Amounts) -> None:
    """Write every quantity the one way that reads are answered with, rounded up to thousandths."""
    for name, value in amounts.items():
        amounts[name] = canonical(value)


def canonical_requirements(resources: Amounts) -> None:
    for field in ("limits", "requests"):
        amounts = resources.get(field)
        if amounts:
            canonical_list(amounts)


def is_native(name: str) -> bool:
    return "/" not in name or name.startswith("kubernetes.io/") or ".kubernetes.io/" in name


def may_overcommit(name: str) -> bool:
    """Whether requests may be below limits: true for Kubernetes' own resources other than huge pages."""
    return is_native(name) and not name.startswith(HUGE_PAGES)


def _is_extended(name: str) -> bool:
    if is_native(name) or name.startswith("requests."):
        return False
    return not qualified_name(f"requests.{name}")


def check_any_resource_name(name: str, path: str, errors: Errors) -> bool:
    """A resource of Kubernetes' own, or one with its domain. Whether the name can be read at all."""
    complaints = qualified_name(name)
    errors.extend(invalid_value(path, name, c) for c in complaints)
    if not complaints and "/" not in name and name not in _STANDARD and not name.startswith(HUGE_PAGES):
        errors.append(invalid_value(path, name, "must be a standard resource type or fully qualified"))
    return not complaints


def check_resource_name(name: str, path: str, errors: Errors) -> None:
    """A resource of Kubernetes' own that containers can have, or an extended one with its domain."""
    if name in _FOR_CONTAINERS or not check_any_resource_name(name, path, errors):
        return
    if "/" in name:
        if not is_native(name) and not _is_extended(name):
            errors.append(invalid_value(path, name, "doesn't follow extended resource name standard"))
    elif not name.startswith(HUGE_PAGES):
        errors.append(invalid_value(path, name, "must be a standard resource for containers"))


def is_quota_name(name: str) -> bool:
    """What quotas can bound of Kubernetes' own."""
    return (name in _STANDARD and name != "storage") or name.startswith((HUGE_PAGES, f"requests.{HUGE_PAGES}"))


def check_quota_name(name: str, path: str, errors: Errors) -> None:
    if name.startswith(f"requests.{HUGE_PAGES}"):
        return
    check_any_resource_name(name, path, errors)
    if "/" not in name and not is_quota_name(name):
        errors.append(invalid_value(path, name, "must be a standard resource for quota"))


def check_amount(name: str, value: Any, path: str, errors: Errors) -> None:
    """Never negative; whole where it counts things."""
    number = amount(value)
    if number < 0:
        errors.append(invalid_value(path, str(value), NOT_NEGATIVE))
    if (name in _COUNTED or _is_extended(name)) and number % UNIT:
        errors.append(invalid_value(path, str(value), "must be an integer"))


def _check_huge_pages(name: str, value: Any, path: str, errors: Errors) -> None:
    size_text = name.removeprefix(HUGE_PAGES)
    try:
        size = amount(size_text)
    except ValueError:
        return
    if size > 0 and amount(value) % size:
        errors.append(invalid_value(path, str(value), f"quantity must be a multiple of the page size {size_text}"))


def _check_amounts(amounts: Amounts, path: str, errors: Errors) -> None:
    for name, value in amounts.items():
        where = f"{path}[{name}]"
        check_resource_name(name, where, errors)
        check_amount(name, value, where, errors)
        if name.startswith(HUGE_PAGES):
            _check_huge_pages(name, value, where, errors)


def _check_against_limits(requests: Amounts, limits: Amounts, path: str, errors: Errors) -> None:
    for name, value in requests.items():
        limit = limits.get(name)
        if limit is None:
            if not may_overcommit(name):
                errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
            continue
        if not may_overcommit(name):
            if amount(value) != amount(limit):
                complaint = f"must be equal to {name} limit of {limit}"
                errors.append(invalid_value(f"{path}.requests", str(value), complaint))
        elif amount(value) > amount(limit):
            complaint = f"must be less than or equal to {name} limit of {limit}"
            errors.append(invalid_value(f"{path}.requests", str(value), complaint))


def _check_claims(claims: list[Amounts], path: str, errors: Errors, *, known: Collection[str]) -> None:
    seen = set()
    for i, claim in enumerate(claims):
        name, where = claim.get("name") or "", f"{path}[{i}]"
        if not name:
            errors.append(required(where))
            continue
        key = (name, claim.get("request") or "")
        if key in seen or (name, "") in seen:
            errors.append(duplicate(where, "/".join(part for part in key if part)))
        seen.add(key)
        if name not in known:
            why = "must be one of the names in pod.spec.resourceClaims"
            told = f'Not found: "{name}": {why}' + ("" if known else " which is empty")
            errors.append(FieldError("FieldValueNotFound", f"{where}.name", told))


def check_requirements(resources: Amounts, path: str, errors: Errors, *, claims: Collection[str] = ()) -> None:
    """The `resources` of a container, or of a pod."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    _check_amounts(limits, f"{path}.limits", errors)
    _check_amounts(requests, f"{path}.requests", errors)
    _check_against_limits(requests, limits, path, errors)
    named = limits.keys() | requests.keys()
    if any(name.startswith(HUGE_PAGES) for name in named) and not named & _FOR_PODS:
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    if resources.get("claims"):
        _check_claims(resources["claims"], f"{path}.claims", errors, known=claims)


def check_overhead(overhead: Amounts, path: str, errors: Errors) -> None:
    """What the sandbox of the pod costs on top of its containers."""
    limits = f"{path}.limits"
    _check_amounts(overhead, limits, errors)
