"""IngressClass: who serves the Ingresses that name it. The controller never changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required, too_long
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_immutable, check_name, dns_label, dns_subdomain, path_segment
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds.base import Cell, Column, KindRules, register

IngressClass = dict[str, Any]

_MAX_CONTROLLER = 250
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_SCOPES = ("Cluster", "Namespace")


def default(obj: IngressClass) -> None:
    parameters = (obj.get("spec") or {}).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def check_domain_path(value: str, path: str, errors: Errors) -> None:
    """`example.com/name`."""
    domain, slash, rest = value.partition("/")
    if not (domain and slash and rest):
        errors.append(invalid_value(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")'))
        return
    check_name(domain, path, errors, rule=dns_subdomain)
    if not re.fullmatch(_PATH, rest):
        errors.append(invalid_value(path, rest, f"Invalid path (regex used for validation is '{_PATH}')"))


def _check_parameters(parameters: IngressClass, errors: Errors) -> None:
    path = "spec.parameters"
    if parameters.get("apiGroup") is not None:
        check_name(parameters["apiGroup"], f"{path}.apiGroup", errors, rule=dns_subdomain)
    for field in ("kind", "name"):
        if not parameters.get(field):
            errors.append(required(f"{path}.{field}"))
        else:
            check_name(parameters[field], f"{path}.{field}", errors, rule=path_segment)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        errors.append(required(f"{path}.scope"))
    elif scope not in _SCOPES:
        errors.append(not_supported(f"{path}.scope", scope, _SCOPES))
    elif scope == "Cluster" and namespace is not None:
        errors.append(forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'"))
    elif scope == "Namespace" and namespace is None:
        errors.append(required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'"))
    elif scope == "Namespace":
        check_name(str(namespace), f"{path}.namespace", errors, rule=dns_label)


def validate(obj: IngressClass) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    controller = spec.get("controller") or ""
    if not controller:
        errors.append(required("spec.controller"))
    else:
        if len(controller.encode()) > _MAX_CONTROLLER:
            errors.append(too_long("spec.controller", _MAX_CONTROLLER))
        check_domain_path(controller, "spec.controller", errors)
    if spec.get("parameters") is not None:
        _check_parameters(spec["parameters"], errors)
    return errors


def validate_update(obj: IngressClass, old: IngressClass) -> list[FieldError]:
    errors: Errors = []
    new, before = (obj.get("spec") or {}).get("controller"), (old.get("spec") or {}).get("controller")
    check_immutable(new, before, "spec.controller", errors)
    return errors


def _parameters(parameters: IngressClass | None) -> str:
    if parameters is None:
        return NONE
    group = parameters.get("apiGroup")
    kind = f"{parameters.get('kind') or ''}.{group}" if group is not None else parameters.get("kind") or ""
    return f"{kind}/{parameters.get('name') or ''}"


def row(obj: IngressClass, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    parameters = _parameters(spec.get("parameters"))
    return obj["metadata"]["name"], spec.get("controller") or "", parameters, age_of(obj, now)


RULES = register(
    KindRules(
        group="networking.k8s.io",
        kind="IngressClass",
        default=default,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Controller", description="Who serves the Ingresses."),
            Column("Parameters", description="What it is told besides."),
            AGE_COLUMN,
        ),
        row=row,
    )
)
