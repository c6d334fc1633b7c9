"""NetworkPolicy: who may talk to the pods of a selection, and to whom they may talk."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._addresses import check_cidr
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_optional_choice, check_port
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import check_selector, selector_text
from apiserver.api.kinds._ports import check_port_reference
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Policy = dict[str, Any]

_PROTOCOLS = ("TCP", "UDP", "SCTP")
_TYPES = ("Ingress", "Egress")
_DIRECTIONS = (("ingress", "from"), ("egress", "to"))


def default(obj: Policy) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    for direction, _ in _DIRECTIONS:
        for rule in spec.get(direction) or ():
            for port in rule.get("ports") or ():
                if port.get("protocol") is None:
                    port["protocol"] = "TCP"
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _check_port(port: Policy, path: str, errors: Errors) -> None:
    check_optional_choice(port.get("protocol"), f"{path}.protocol", errors, choices=_PROTOCOLS)
    first, last = port.get("port"), port.get("endPort")
    if first is not None:
        check_port_reference(first, f"{path}.port", errors)
    if last is None:
        return
    if first is None or isinstance(first, str):
        why = "not specified" if first is None else "non-numeric"
        errors.append(invalid_value(f"{path}.endPort", last, f"may not be specified when `port` is {why}"))
        return
    if last < first:
        errors.append(invalid_value(f"{path}.endPort", last, "must be greater than or equal to `port`"))
    check_port(last, f"{path}.endPort", errors)


def _check_block(block: Policy, path: str, errors: Errors) -> None:
    whole = block.get("cidr") or ""
    if not whole:
        errors.append(required(f"{path}.cidr"))
        return
    good = check_cidr(whole, f"{path}.cidr", errors)
    for i, part in enumerate(block.get("except") or ()):
        if check_cidr(part, f"{path}.except[{i}]", errors) and good and not _is_within(part, whole):
            errors.append(invalid_value(f"{path}.except[{i}]", part, "must be a strict subset of `cidr`"))


def _is_within(part: str, whole: str) -> bool:
    small, large = ipaddress.ip_network(part), ipaddress.ip_network(whole)
    return small.version == large.version and small.prefixlen > large.prefixlen and small[0] in large


def _check_peer(peer: Policy, path: str, errors: Errors) -> None:
    selectors = [field for field in ("podSelector", "namespaceSelector") if peer.get(field) is not None]
    for field in selectors:
        check_selector(peer[field], f"{path}.{field}", errors)
    block = peer.get("ipBlock")
    if block is not None:
        _check_block(block, f"{path}.ipBlock", errors)
        if selectors:
            errors.append(forbidden(path, "may not specify both ipBlock and another peer"))
    elif not selectors:
        errors.append(required(path, "must specify a peer"))


def validate(obj: Policy) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_selector(spec.get("podSelector"), "spec.podSelector", errors)
    for direction, peers in _DIRECTIONS:
        for i, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{i}]"
            for j, port in enumerate(rule.get("ports") or ()):
                _check_port(port, f"{path}.ports[{j}]", errors)
            for j, peer in enumerate(rule.get(peers) or ()):
                _check_peer(peer, f"{path}.{peers}[{j}]", errors)
    types = spec.get("policyTypes") or []
    if len(types) > len(_TYPES):
        errors.append(invalid_value("spec.policyTypes", types, "may not specify more than two policyTypes"))
    else:
        wrong = ((i, t) for i, t in enumerate(types) if t not in _TYPES)
        errors.extend(not_supported(f"spec.policyTypes[{i}]", t, _TYPES) for i, t in wrong)
    return errors


def row(obj: Policy, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], selector_text((obj.get("spec") or {}).get("podSelector")), age_of(obj, now)


RULES = register(
    KindRules(
        group="networking.k8s.io",
        kind="NetworkPolicy",
        default=default,
        validate=validate,
        columns=(NAME_COLUMN, Column("Pod-Selector", description="Which pods it is about."), AGE_COLUMN),
        row=row,
    )
)
