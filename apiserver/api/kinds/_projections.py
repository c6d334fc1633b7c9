"""Validation of volumes made of files that the kubelet writes: secrets, config maps, the downward API, tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, required
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._env_validation import FILE_FIELDS, check_field_ref, check_resource_ref
from apiserver.api.kinds._paths import check_local_path

Source = dict[str, Any]

_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_CONFLICT = "conflicting duplicate paths"


def check_mode(mode: int | None, path: str, errors: Errors) -> None:
    if mode is not None and not 0 <= mode <= 0o777:
        errors.append(invalid_value(path, mode, _MODE))


def _check_key_to_path(item: Source, path: str, errors: Errors) -> None:
    if not item.get("key"):
        errors.append(required(f"{path}.key"))
    if not item.get("path"):
        errors.append(required(f"{path}.path"))
    check_local_path(item.get("path") or "", f"{path}.path", errors)
    check_mode(item.get("mode"), f"{path}.mode", errors)


def check_selected_files(source: Source, path: str, errors: Errors, *, name_field: str) -> None:
    """Some or all keys of a Secret or ConfigMap as files."""
    if not source.get(name_field):
        errors.append(required(f"{path}.{name_field}"))
    check_mode(source.get("defaultMode"), f"{path}.defaultMode", errors)
    for i, item in enumerate(source.get("items") or ()):
        _check_key_to_path(item, f"{path}.items[{i}]", errors)


def check_downward_api(item: Source, path: str, errors: Errors) -> None:
    """One file with a field of the pod or a container's resource."""
    if not item.get("path"):
        errors.append(required(f"{path}.path"))
    check_local_path(item.get("path") or "", f"{path}.path", errors)
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        check_field_ref(field, f"{path}.fieldRef", errors, fields=FILE_FIELDS)
        if resource is not None:
            told = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid_value(path, "resource", told))
    elif resource is not None:
        check_resource_ref(resource, f"{path}.resourceFieldRef", errors, in_volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    check_mode(item.get("mode"), f"{path}.mode", errors)


def _named(source: Source, path: str, errors: Errors) -> list[str]:
    check_selected_files(source, path, errors, name_field="name")
    return [item.get("path") or "" for item in source.get("items") or ()]


def _downward(source: Source, path: str, errors: Errors) -> list[str]:
    for item in source.get("items") or ():
        check_downward_api(item, path, errors)
    return [item.get("path") or "" for item in source.get("items") or ()]


def _token(source: Source, path: str, errors: Errors) -> list[str]:
    lifetime = source.get("expirationSeconds") or 0
    where = f"{path}.expirationSeconds"
    if lifetime < 600:
        errors.append(invalid_value(where, lifetime, "may not specify a duration less than 10 minutes"))
    if lifetime > 2**32:
        errors.append(invalid_value(where, lifetime, "may not specify a duration larger than 2^32 seconds"))
    volume = path.partition(".sources[")[0]
    if not source.get("path"):
        errors.append(required(f"{volume}.path"))
    else:
        check_local_path(source["path"], f"{volume}.path", errors)
    return []


def _trust_bundle(source: Source, path: str, errors: Errors) -> list[str]:
    name, signer = source.get("name"), source.get("signerName")
    if name is not None and signer is not None:
        errors.append(invalid_value(path, source, "only one of name and signerName may be used"))
    elif name is None and signer is None:
        errors.append(required(path, "either name or signerName must be specified"))
    elif name is not None:
        if not name:
            errors.append(required(f"{path}.name", "must be a valid object name"))
        if source.get("labelSelector") is not None:
            told = "labelSelector must be unset if name is specified"
            errors.append(invalid_value(f"{path}.labelSelector", source["labelSelector"], told))
    elif not signer:
        errors.append(required(f"{path}.signerName", "must be a valid signer name"))
    return _own_path(source, path, errors)


def _certificate(source: Source, path: str, errors: Errors) -> list[str]:
    errors.extend(required(f"{path}.{field}") for field in ("signerName", "keyType") if not source.get(field))
    paths = [source[f] for f in ("credentialBundlePath", "keyPath", "certificateChainPath") if source.get(f)]
    if not paths:
        told = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(path, told))
    for value in paths:
        check_local_path(value, path, errors)
    return paths


def _own_path(source: Source, path: str, errors: Errors) -> list[str]:
    if not source.get("path"):
        errors.append(required(f"{path}.path"))
    check_local_path(source.get("path") or "", f"{path}.path", errors)
    return [source.get("path") or ""]


_PARTS: dict[str, Callable[[Source, str, Errors], list[str]]] = {
    "secret": _named,
    "configMap": _named,
    "downwardAPI": _downward,
    "serviceAccountToken": _token,
    "clusterTrustBundle": _trust_bundle,
    "podCertificate": _certificate,
}


def check_projected(source: Source, path: str, errors: Errors) -> None:
    """Several sources in one directory: no two may write the same file."""
    check_mode(source.get("defaultMode"), f"{path}.defaultMode", errors)
    taken: set[str] = set()
    for i, part in enumerate(source.get("sources") or ()):
        where = f"{path}.sources[{i}]"
        named = [field for field in part if field in _PARTS and part[field] is not None]
        for field in named:
            for written in _PARTS[field](part[field], f"{where}.{field}", errors):
                if written and written in taken:
                    told = part[field].get("name") or written
                    errors.append(invalid_value(path, told, _CONFLICT))
                taken.add(written)
        if len(named) > 1:
            errors.append(forbidden(where, "may not specify more than 1 volume type per source"))
