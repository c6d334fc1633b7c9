"""Validation of a container's environment: names, and exactly one source for a value that comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from apiserver.api.fielderrors import invalid_value, not_supported, required
from apiserver.api.kinds._amounts import canonical
from apiserver.api.kinds._checks import Errors, check_name, config_map_key, dns_subdomain, qualified_name, variable_name
from apiserver.api.kinds._paths import check_local_path

Source = dict[str, Any]

_ENV_FIELDS = frozenset(
    [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ]
)
FILE_FIELDS = frozenset(
    ["metadata.name", "metadata.namespace", "metadata.labels", "metadata.annotations", "metadata.uid"]
)
_KNOWN_FIELDS = _ENV_FIELDS | FILE_FIELDS | frozenset(("spec.restartPolicy", "spec.schedulerName", "status.phase"))
_RESOURCES = frozenset(
    f"{side}.{name}" for side in ("limits", "requests") for name in ("cpu", "memory", "ephemeral-storage")
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = tuple(f"1{suffix}" for suffix in ("", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
_PARTS: tuple[str, ...] = ("1m", "1")
_SUBSCRIPTED = re.compile(r"(.*)\['(.*)'\]")


def check_field_ref(ref: Source, path: str, errors: Errors, *, fields: Collection[str] = _ENV_FIELDS) -> None:
    """A field of the pod itself, from those that can be known where the value is needed."""
    version, field = ref.get("apiVersion"), ref.get("fieldPath")
    if not version:
        errors.append(required(f"{path}.apiVersion"))
    elif not field:
        errors.append(required(f"{path}.fieldPath"))
    elif version != "v1":
        told = f"error converting fieldPath: unsupported pod version: {version}"
        errors.append(invalid_value(f"{path}.fieldPath", field, told))
    else:
        _check_field(field, path, errors, fields=fields)


def _check_field(field: str, path: str, errors: Errors, *, fields: Collection[str]) -> None:
    if field in fields:
        return
    subscripted = _SUBSCRIPTED.fullmatch(field)
    base = subscripted[1] if subscripted else field
    if subscripted and base in ("metadata.annotations", "metadata.labels"):
        key = subscripted[2].lower() if base == "metadata.annotations" else subscripted[2]
        check_name(key, path, errors, rule=qualified_name)
    elif base not in _KNOWN_FIELDS:
        told = f"error converting fieldPath: field label not supported: {base}"
        errors.append(invalid_value(f"{path}.fieldPath", field, told))
    elif subscripted:
        errors.append(invalid_value(path, base, "does not support subscript"))
    else:
        errors.append(not_supported(f"{path}.fieldPath", field, sorted(fields)))


def check_resource_ref(ref: Source, path: str, errors: Errors, *, in_volume: bool = False) -> None:
    """A container's own requests or limits."""
    resource = ref.get("resource") or ""
    if in_volume and not ref.get("containerName"):
        errors.append(required(f"{path}.containerName"))
    elif not resource:
        errors.append(required(f"{path}.resource"))
    elif resource not in _RESOURCES and not resource.startswith(_HUGE_PAGES):
        errors.append(not_supported(f"{path}.resource", resource, sorted(_RESOURCES)))
    _check_divisor(resource, ref.get("divisor"), path, errors)


def _check_divisor(resource: str, divisor: Any, path: str, errors: Errors) -> None:
    if divisor is None or (text := canonical(divisor)) == "0":
        return
    if resource.endswith(".cpu"):
        allowed, kind = _PARTS, "cpu"
    elif resource.endswith(".memory"):
        allowed, kind = _SIZES, "memory"
    elif resource.endswith(".ephemeral-storage"):
        allowed, kind = _SIZES, "local ephemeral storage"
    elif resource.startswith(_HUGE_PAGES):
        allowed, kind = _SIZES, "hugepages"
    else:
        return
    if text not in allowed:
        values = " and ".join(allowed) if len(allowed) == 2 else ", ".join(allowed)
        told = f"only divisor's values {values} are supported with the {kind} resource"
        errors.append(invalid_value(f"{path}.divisor", resource, told))


def _check_key_ref(ref: Source, path: str, errors: Errors) -> None:
    check_name(ref.get("name") or "", f"{path}.name", errors, rule=dns_subdomain)
    if not ref.get("key"):
        errors.append(required(f"{path}.key"))
    else:
        check_name(ref["key"], f"{path}.key", errors, rule=config_map_key)


def _check_file_ref(ref: Source, path: str, errors: Errors) -> None:
    if not ref.get("volumeName"):
        errors.append(required(f"{path}.volumeName"))
    if not ref.get("path"):
        errors.append(required(f"{path}.path"))
    else:
        check_local_path(ref["path"], f"{path}.path", errors)
    if not ref.get("key"):
        errors.append(required(f"{path}.key"))
    else:
        check_name(ref["key"], f"{path}.key", errors, rule=variable_name)


_SOURCES: dict[str, Callable[[Source, str, Errors], None]] = {
    "fieldRef": check_field_ref,
    "resourceFieldRef": check_resource_ref,
    "configMapKeyRef": _check_key_ref,
    "secretKeyRef": _check_key_ref,
    "fileKeyRef": _check_file_ref,
}
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"


def _check_value_from(variable: Source, path: str, errors: Errors) -> None:
    sources = [(name, ref) for name, ref in variable["valueFrom"].items() if ref is not None and name in _SOURCES]
    for name, ref in sources:
        _SOURCES[name](ref, f"{path}.{name}", errors)
    if not sources:
        errors.append(invalid_value(path, "", _NO_SOURCE))
    elif variable.get("value"):
        errors.append(invalid_value(path, "", "may not be specified when `value` is not empty"))
    elif len(sources) > 1:
        errors.append(invalid_value(path, "", "may not have more than one field specified at a time"))


def check_env(env: list[Source], path: str, errors: Errors) -> None:
    for i, variable in enumerate(env):
        name = variable.get("name")
        if not name:
            errors.append(required(f"{path}[{i}].name"))
        else:
            check_name(name, f"{path}[{i}].name", errors, rule=variable_name)
        if variable.get("valueFrom") is not None:
            _check_value_from(variable, f"{path}[{i}].valueFrom", errors)


def check_env_from(sources: list[Source], path: str, errors: Errors) -> None:
    for i, source in enumerate(sources):
        where = f"{path}[{i}]"
        if source.get("prefix"):
            check_name(source["prefix"], f"{where}.prefix", errors, rule=variable_name)
        named = [field for field in ("configMapRef", "secretRef") if source.get(field) is not None]
        for field in named:
            name = source[field].get("name")
            if not name:
                errors.append(required(f"{where}.{field}.name"))
            else:
                check_name(name, f"{where}.{field}.name", errors, rule=dns_subdomain)
        if not named:
            errors.append(invalid_value(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(named) > 1:
            errors.append(invalid_value(path, "", "may not have more than one field specified at a time"))
