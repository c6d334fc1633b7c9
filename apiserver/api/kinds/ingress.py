"""Ingress: which requests from outside go to which Service."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required
from apiserver.api.kinds._addresses import family_of
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    Errors,
    check_name,
    check_port,
    dns_label,
    dns_subdomain,
    path_segment,
    port_name,
    wildcard_subdomain,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds._load_balancer import check_place, ingress_text
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Ingress = dict[str, Any]

_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_BAD_PARTS = ("//", "/./", "/../", "%2f", "%2F")
_BAD_ENDS = ("/..", "/.")
_SHOWN_HOSTS = 3


def prepare_create(obj: Ingress) -> None:
    obj["status"] = {"loadBalancer": {}}


def _check_host(host: str, path: str, errors: Errors) -> None:
    rule = wildcard_subdomain if "*" in host else dns_subdomain
    check_name(host, path, errors, rule=rule)


def _check_reference(reference: Ingress, path: str, errors: Errors) -> None:
    """To an object of any kind."""
    if reference.get("apiGroup") is not None:
        check_name(reference["apiGroup"], f"{path}.apiGroup", errors, rule=dns_subdomain)
    for field in ("kind", "name"):
        if not reference.get(field):
            errors.append(required(f"{path}.{field}"))
        else:
            check_name(reference[field], f"{path}.{field}", errors, rule=path_segment)


def _check_service(service: Ingress, path: str, errors: Errors) -> None:
    if not service.get("name"):
        errors.append(required(f"{path}.service.name"))
    else:
        check_name(service["name"], f"{path}.service.name", errors, rule=dns_label)
    port = service.get("port") or {}
    name, number = port.get("name") or "", port.get("number") or 0
    if name and number:
        errors.append(invalid_value(path, "", "cannot set both port name & port number"))
    elif name:
        check_name(name, f"{path}.service.port.name", errors, rule=port_name)
    elif number:
        check_port(number, f"{path}.service.port.number", errors)
    else:
        errors.append(required(path, "port name or number is required"))


def _check_backend(backend: Ingress, path: str, errors: Errors) -> None:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        errors.append(invalid_value(path, "", "cannot set both resource and service backends"))
    elif resource is not None:
        _check_reference(resource, f"{path}.resource", errors)
    elif service is not None:
        _check_service(service, path, errors)
    else:
        errors.append(invalid_value(path, "", "resource or service backend is required"))


def _check_path(rule: Ingress, where: str, errors: Errors) -> None:
    kind, text = rule.get("pathType"), rule.get("path") or ""
    if kind is None:
        errors.append(required(f"{where}.pathType", "pathType must be specified"))
        return
    if kind not in _PATH_TYPES:
        errors.append(not_supported(f"{where}.pathType", kind, _PATH_TYPES))
    elif not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        errors.append(invalid_value(f"{where}.path", text, "must be an absolute path"))
    if kind in ("Exact", "Prefix"):
        told = [f"must not contain '{part}'" for part in _BAD_PARTS if part in text]
        told += [f"cannot end with '{end}'" for end in _BAD_ENDS if text.endswith(end)]
        errors.extend(invalid_value(f"{where}.path", text, complaint) for complaint in told)
    _check_backend(rule.get("backend") or {}, f"{where}.backend", errors)


def _check_rules(rules: list[Ingress], errors: Errors) -> None:
    for i, rule in enumerate(rules):
        host, path = rule.get("host") or "", f"spec.rules[{i}]"
        if host:
            if family_of(host):
                errors.append(invalid_value(f"{path}.host", host, "must be a DNS name, not an IP address"))
            _check_host(host, f"{path}.host", errors)
        if rule.get("http") is None:
            continue
        paths = rule["http"].get("paths") or []
        if not paths:
            errors.append(required(f"{path}.http.paths"))
        for j, one in enumerate(paths):
            _check_path(one, f"{path}.http.paths[{j}]", errors)


def validate(obj: Ingress) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        told = "either `defaultBackend` or `rules` must be specified"
        errors.append(invalid_value("spec", spec.get("rules"), told))
    if backend is not None:
        _check_backend(backend, "spec.defaultBackend", errors)
    _check_rules(rules, errors)
    for i, tls in enumerate(spec.get("tls") or ()):
        for j, host in enumerate(tls.get("hosts") or ()):
            _check_host(host, f"spec.tls[{i}].hosts[{j}]", errors)
        if tls.get("secretName"):
            check_name(tls["secretName"], f"spec.tls[{i}].secretName", errors, rule=dns_subdomain)
    if spec.get("ingressClassName") is not None:
        check_name(spec["ingressClassName"], "spec.ingressClassName", errors, rule=dns_subdomain)
    return errors


def validate_create(obj: Ingress) -> list[FieldError]:
    """The annotation is older than the field; new objects may not have it say something else."""
    annotated = (obj["metadata"].get("annotations") or {}).get(_CLASS_ANNOTATION)
    named = (obj.get("spec") or {}).get("ingressClassName")
    if annotated is None or named is None or annotated == named:
        return []
    told = "must match `ingressClassName` when both are specified"
    return [invalid_value(f"annotations.{_CLASS_ANNOTATION}", annotated, told)]


def validate_status_update(obj: Ingress, old: Ingress) -> list[FieldError]:
    errors: Errors = []
    balancer = (obj.get("status") or {}).get("loadBalancer") or {}
    for i, ingress in enumerate(balancer.get("ingress") or ()):
        check_place(ingress, f"status.loadBalancer.ingress[{i}]", errors)
    return errors


def _hosts(rules: list[Ingress]) -> str:
    """The first hosts. Rules past the third count as more, whether they name a host or not."""
    hosts: list[str] = []
    for rule in rules:
        if len(hosts) == _SHOWN_HOSTS:
            return f"{','.join(hosts)} + {len(rules) - _SHOWN_HOSTS} more..."
        if rule.get("host"):
            hosts.append(rule["host"])
    return ",".join(hosts) or "*"


def row(obj: Ingress, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    name = spec.get("ingressClassName")
    return (
        obj["metadata"]["name"],
        NONE if name is None else name,
        _hosts(spec.get("rules") or []),
        ingress_text((obj.get("status") or {}).get("loadBalancer") or {}),
        "80, 443" if spec.get("tls") else "80",
        age_of(obj, now),
    )


RULES = register(
    KindRules(
        group="networking.k8s.io",
        kind="Ingress",
        prepare_create=prepare_create,
        validate=validate,
        validate_create=validate_create,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Class", description="Who serves it."),
            Column("Hosts", description="The hosts whose requests it takes."),
            Column("Address", description="Where it is served."),
            Column("Ports", description="On which ports."),
            AGE_COLUMN,
        ),
        row=row,
    )
)
