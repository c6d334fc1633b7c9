"""APIService: a group and version that is served, here or by somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api import names
from apiserver.api.bytestext import decoded_length
from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_name, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._webhooks import default_service
from apiserver.api.kinds.base import Cell, Column, KindRules, register

APIService = dict[str, Any]

_STATES = ("True", "False", "Unknown")
_MOST = {"groupPriorityMinimum": 20000, "versionPriority": 1000}


def default(obj: APIService) -> None:
    default_service(obj.setdefault("spec", {}))


def prepare_create(obj: APIService) -> None:
    """What this server serves itself is available."""
    obj["status"] = {}
    if obj["spec"].get("service") is None:
        obj["status"] = {
            "conditions": [
                {
                    "type": "Available",
                    "status": "True",
                    "reason": "Local",
                    "message": "Local APIServices are always available",
                    "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
                }
            ]
        }


def _check_place(spec: APIService, errors: Errors) -> None:
    service, skips, bundle = spec.get("service"), spec.get("insecureSkipTLSVerify"), spec.get("caBundle") or ""
    if service is None:
        if bundle:
            shown = f"{decoded_length(bundle)} bytes"
            errors.append(invalid_value("spec.caBundle", shown, "local APIServices may not have a caBundle"))
        if skips:
            told = "local APIServices may not have insecureSkipTLSVerify"
            errors.append(invalid_value("spec.insecureSkipTLSVerify", True, told))
        return
    errors.extend(required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field))
    port = service.get("port")
    if port is not None and not 1 <= port <= 65535:
        told = "port is not valid: must be between 1 and 65535, inclusive"
        errors.append(invalid_value("spec.service.port", port, told))
    if skips and bundle:
        errors.append(invalid_value("spec.insecureSkipTLSVerify", True, "may not be true if caBundle is present"))


def validate(obj: APIService) -> list[FieldError]:
    errors: Errors = []
    spec, name = obj["spec"], obj["metadata"].get("name") or ""
    group, version = spec.get("group") or "", spec.get("version") or ""
    if name != f"{version}.{group}":
        told = f'must be `spec.version+"."+spec.group`: "{version}.{group}"'
        errors.append(invalid_value("metadata.name", name, told))
    if group:
        check_name(group, "spec.group", errors, rule=dns_subdomain)
    elif version != "v1":
        errors.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    errors.extend(invalid_value("spec.version", version, told) for told in names.dns1035_label(version))
    for field, most in _MOST.items():
        value = spec.get(field) or 0
        if not 0 < value <= most:
            errors.append(invalid_value(f"spec.{field}", value, f"must be positive and less than {most}"))
    _check_place(spec, errors)
    return errors


def validate_status_update(obj: APIService, old: APIService) -> list[FieldError]:
    conditions = enumerate((obj.get("status") or {}).get("conditions") or ())
    states = ((i, condition.get("status") or "") for i, condition in conditions)
    return [
        not_supported(f"status.conditions[{i}].status", state, _STATES) for i, state in states if state not in _STATES
    ]


def _available(obj: APIService) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found = next((c for c in conditions if c.get("type") == "Available"), None)
    if found is None:
        return "Unknown"
    state, reason = found.get("status") or "", found.get("reason") or ""
    return f"{state} ({reason})" if state != "True" and reason else state


def row(obj: APIService, now: datetime) -> Sequence[Cell]:
    service = (obj.get("spec") or {}).get("service")
    place = "Local" if service is None else f"{service.get('namespace') or ''}/{service.get('name') or ''}"
    return obj["metadata"]["name"], place, _available(obj), age_of(obj, now)


RULES = register(
    KindRules(
        group="apiregistration.k8s.io",
        kind="APIService",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_status_update=validate_status_update,
        validate_name=names.path_segment,
        columns=(
            NAME_COLUMN,
            Column("Service", description="Who serves it."),
            Column("Available", description="Whether it is served."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
        extra={"requires_resource_version": True},
    )
)
