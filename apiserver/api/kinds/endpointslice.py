"""EndpointSlice: some of the addresses behind a Service, all of one type."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, invalid_value, required, too_many
from apiserver.api.kinds._addresses import check_ip, check_not_special, family_of
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    Errors,
    check_choice,
    check_immutable,
    check_labels,
    check_name,
    dns_label,
    dns_subdomain,
    qualified_name,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, UNSET, first_of
from apiserver.api.kinds._ports import PROTOCOLS
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Slice = dict[str, Any]

_TYPES = ("FQDN", "IPv4", "IPv6")
_MAX_ENDPOINTS = 1000
_MAX_PORTS = 20000
_MAX_ADDRESSES = 100
_MAX_TOPOLOGY = 16
_MAX_HINTS = 8


def default(obj: Slice) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def prepare_create(obj: Slice) -> None:
    """What older versions said of a place by its labels, v1 says by `nodeName` and `zone`."""
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def prepare_update(obj: Slice, old: Slice) -> None:
    """Labels say which Service it belongs to: their change is counted too."""
    if obj.get("endpoints") != old.get("endpoints"):
        prepare_create(obj)
    meta, before = obj["metadata"], old["metadata"]
    if (meta.get("labels") or {}) != (before.get("labels") or {}):
        meta["generation"] = (before.get("generation") or 0) + 1


def _check_address(address: str, path: str, errors: Errors, *, kind: str) -> None:
    if kind == "FQDN":
        _check_full_name(address, path, errors)
    elif kind in ("IPv4", "IPv6"):
        if check_ip(address, path, errors) and family_of(address) != kind:
            errors.append(invalid_value(path, address, f"must be a valid {kind} address"))
        check_not_special(address, path, errors)


def _check_full_name(name: str, path: str, errors: Errors) -> None:
    """With a domain; a trailing dot is welcome."""
    bare = name.removesuffix(".")
    if not name:
        errors.append(required(path))
    elif dns_subdomain(bare):
        check_name(bare, path, errors, rule=dns_subdomain)
    elif "." not in bare:
        errors.append(invalid_value(path, name, "should be a domain with at least two segments separated by dots"))
    else:
        for label in bare.split("."):
            check_name(label, path, errors, rule=dns_label)


def _check_endpoint(endpoint: Slice, path: str, errors: Errors, *, kind: str) -> None:
    addresses = endpoint.get("addresses") or []
    if not addresses:
        errors.append(required(f"{path}.addresses", "must contain at least 1 address"))
    elif len(addresses) > _MAX_ADDRESSES:
        errors.append(too_many(f"{path}.addresses", len(addresses), _MAX_ADDRESSES))
    for i, address in enumerate(addresses):
        _check_address(address, f"{path}.addresses[{i}]", errors, kind=kind)
    if endpoint.get("nodeName") is not None:
        check_name(endpoint["nodeName"], f"{path}.nodeName", errors, rule=dns_subdomain)
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _MAX_TOPOLOGY:
        errors.append(too_many(f"{path}.deprecatedTopology", len(topology), _MAX_TOPOLOGY))
    check_labels(topology, f"{path}.deprecatedTopology", errors)
    if endpoint.get("hostname") is not None:
        check_name(endpoint["hostname"], f"{path}.hostname", errors, rule=dns_label)
    for field in ("forZones", "forNodes"):
        _check_hints((endpoint.get("hints") or {}).get(field) or [], f"{path}.hints.{field}", errors)


def _check_hints(hints: list[Slice], path: str, errors: Errors) -> None:
    if len(hints) > _MAX_HINTS:
        errors.append(too_many(path, len(hints), _MAX_HINTS))
        return
    seen: set[str] = set()
    for i, hint in enumerate(hints):
        name, where = hint.get("name") or "", f"{path}[{i}].name"
        if name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)
        check_name(name, where, errors, rule=dns_subdomain)


def _check_ports(ports: list[Slice], errors: Errors) -> None:
    if len(ports) > _MAX_PORTS:
        errors.append(too_many("ports", len(ports), _MAX_PORTS))
        return
    names: set[str] = set()
    for i, port in enumerate(ports):
        name, path = port.get("name") or "", f"ports[{i}]"
        if name:
            check_name(name, f"{path}.name", errors, rule=dns_label)
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
        check_choice(port.get("protocol"), f"{path}.protocol", errors, choices=PROTOCOLS)
        if port.get("appProtocol") is not None:
            check_name(port["appProtocol"], f"{path}.appProtocol", errors, rule=qualified_name)


def validate(obj: Slice) -> list[FieldError]:
    errors: Errors = []
    kind, endpoints = obj.get("addressType") or "", obj.get("endpoints") or []
    check_choice(kind, "addressType", errors, choices=_TYPES)
    if len(endpoints) > _MAX_ENDPOINTS:
        errors.append(too_many("endpoints", len(endpoints), _MAX_ENDPOINTS))
    else:
        for i, endpoint in enumerate(endpoints):
            _check_endpoint(endpoint, f"endpoints[{i}]", errors, kind=kind)
    _check_ports(obj.get("ports") or [], errors)
    return errors


def validate_update(obj: Slice, old: Slice) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("addressType"), old.get("addressType"), "addressType", errors)
    return errors


def _port(port: Slice) -> str:
    number = port.get("port")
    return "*" if number is None and port.get("name") is None else str(number if number is not None else port["name"])


def row(obj: Slice, now: datetime) -> Sequence[Cell]:
    ports = [_port(port) for port in obj.get("ports") or ()]
    addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
    return (
        obj["metadata"]["name"],
        obj.get("addressType") or "",
        first_of(ports) or UNSET,
        first_of(addresses) or UNSET,
        age_of(obj, now),
    )


RULES = register(
    KindRules(
        group="discovery.k8s.io",
        kind="EndpointSlice",
        default=default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("AddressType", description="What its addresses are."),
            Column("Ports", description="The ports of its endpoints."),
            Column("Endpoints", description="The addresses of its endpoints."),
            AGE_COLUMN,
        ),
        row=row,
    )
)
