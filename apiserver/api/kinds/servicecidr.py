"""ServiceCIDR and IPAddress: the ranges that the addresses of Services come from, and which of them are in use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, required
from apiserver.api.kinds._addresses import canonical_ip_complaint, check_canonical_cidr, family_of
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    IMMUTABLE,
    Errors,
    check_immutable,
    check_name,
    dns_subdomain,
    path_segment,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "networking.k8s.io"


def _cidrs(obj: Obj) -> list[str]:
    return (obj.get("spec") or {}).get("cidrs") or []


def validate_range(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    cidrs, path = _cidrs(obj), "spec.cidrs"
    if not cidrs:
        errors.append(required(path, "at least one CIDR required"))
    elif len(cidrs) > 2:
        errors.append(invalid_value(path, obj.get("spec"), "may only hold up to 2 values"))
    else:
        for i, cidr in enumerate(cidrs):
            check_canonical_cidr(cidr, f"{path}[{i}]", errors)
        families = [family_of(cidr.partition("/")[0]) for cidr in cidrs]
        if len(cidrs) == 2 and families[0] == families[1] and families[0] is not None:
            told = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
            errors.append(invalid_value(path, cidrs, told))
    return errors


def validate_range_update(obj: Obj, old: Obj) -> list[FieldError]:
    """A second family may be added; nothing else changes."""
    cidrs, before = _cidrs(obj), _cidrs(old)
    if len(cidrs) == len(before) or (len(before) == 1 and len(cidrs) == 2):
        pairs = enumerate(zip(before, cidrs, strict=False))
        return [invalid_value(f"spec.cidrs[{i}]", new, IMMUTABLE) for i, (was, new) in pairs if was != new]
    return [invalid_value("spec.cidrs", cidrs, IMMUTABLE)]


def range_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], ",".join(_cidrs(obj)), age_of(obj, now)


def address_name(name: str) -> list[str]:
    """The name is the address itself."""
    told = canonical_ip_complaint(name)
    return [told] if told else []


def validate_address(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    parent, path = (obj.get("spec") or {}).get("parentRef"), "spec.parentRef"
    if parent is None:
        errors.append(required(path))
        return errors
    if parent.get("group"):
        check_name(parent["group"], f"{path}.group", errors, rule=dns_subdomain)
    for field in ("resource", "name", "namespace"):
        if parent.get(field):
            check_name(parent[field], f"{path}.{field}", errors, rule=path_segment)
        elif field != "namespace":
            errors.append(required(f"{path}.{field}"))
    return errors


def validate_address_update(obj: Obj, old: Obj) -> list[FieldError]:
    errors: Errors = []
    new, before = (obj.get("spec") or {}).get("parentRef"), (old.get("spec") or {}).get("parentRef")
    check_immutable(new, before, "spec.parentRef", errors)
    return errors


def address_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    """`services/default/web`, `services.example.com/web`: the parent with its group, namespace and name."""
    parent = (obj.get("spec") or {}).get("parentRef") or {}
    resource = parent.get("resource") or ""
    if parent.get("group"):
        resource = f"{resource}.{parent['group']}"
    parts = [resource, parent.get("namespace") or "", parent.get("name") or ""]
    return obj["metadata"]["name"], "/".join(part for part in parts if part)


RANGE = register(
    KindRules(
        group=GROUP,
        kind="ServiceCIDR",
        validate=validate_range,
        validate_update=validate_range_update,
        columns=(NAME_COLUMN, Column("CIDRs", description="The ranges."), AGE_COLUMN),
        row=range_row,
        counts_generation=False,
    )
)
ADDRESS = register(
    KindRules(
        group=GROUP,
        kind="IPAddress",
        validate=validate_address,
        validate_update=validate_address_update,
        validate_name=address_name,
        columns=(NAME_COLUMN, Column("ParentRef", description="Whose address it is.")),
        row=address_row,
        counts_generation=False,
    )
)
