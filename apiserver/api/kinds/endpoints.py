"""Endpoints: the addresses behind a Service, in the old form that EndpointSlices replace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, required
from apiserver.api.kinds._addresses import check_ip, check_not_special
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    Errors,
    check_choice,
    check_name,
    check_port,
    dns_label,
    dns_subdomain,
    qualified_name,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE, UNSET, first_of
from apiserver.api.kinds._ports import PROTOCOLS
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Endpoints = dict[str, Any]


def default(obj: Endpoints) -> None:
    for subset in obj.get("subsets") or ():
        for port in subset.get("ports") or ():
            if not port.get("protocol"):
                port["protocol"] = "TCP"


def _check_address(address: Endpoints, path: str, errors: Errors) -> None:
    ip = address.get("ip") or ""
    check_ip(ip, f"{path}.ip", errors)
    if address.get("hostname"):
        check_name(address["hostname"], f"{path}.hostname", errors, rule=dns_label)
    if address.get("nodeName") is not None:
        check_name(address["nodeName"], f"{path}.nodeName", errors, rule=dns_subdomain)
    check_not_special(ip, f"{path}.ip", errors)


def _check_port(port: Endpoints, path: str, errors: Errors, *, must_be_named: bool) -> None:
    if port.get("name"):
        check_name(port["name"], f"{path}.name", errors, rule=dns_label)
    elif must_be_named:
        errors.append(required(f"{path}.name"))
    check_port(port.get("port") or 0, f"{path}.port", errors)
    check_choice(port.get("protocol"), f"{path}.protocol", errors, choices=PROTOCOLS)
    if port.get("appProtocol") is not None:
        check_name(port["appProtocol"], f"{path}.appProtocol", errors, rule=qualified_name)


def validate(obj: Endpoints) -> list[FieldError]:
    errors: Errors = []
    for i, subset in enumerate(obj.get("subsets") or ()):
        path, ports = f"subsets[{i}]", subset.get("ports") or []
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for j, address in enumerate(subset.get(field) or ()):
                _check_address(address, f"{path}.{field}[{j}]", errors)
        for j, port in enumerate(ports):
            _check_port(port, f"{path}.ports[{j}]", errors, must_be_named=len(ports) > 1)
    return errors


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _places(subset: Endpoints) -> list[str]:
    ips = [address.get("ip") or "" for address in subset.get("addresses") or ()]
    ports = subset.get("ports")
    return [_host_port(ip, port.get("port") or 0) for port in ports for ip in ips] if ports else ips


def row(obj: Endpoints, now: datetime) -> Sequence[Cell]:
    subsets = obj.get("subsets") or ()
    places = [place for subset in subsets for place in _places(subset)]
    shown = first_of(places) or (UNSET if subsets else NONE)
    return obj["metadata"]["name"], shown, age_of(obj, now)


RULES = register(
    KindRules(
        group="",
        kind="Endpoints",
        default=default,
        validate=validate,
        columns=(NAME_COLUMN, Column("Endpoints", description="The addresses that are ready."), AGE_COLUMN),
        row=row,
        counts_generation=False,
        create_on_update=True,
    )
)
