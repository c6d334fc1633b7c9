"""PersistentVolume: a piece of storage. Where its data is never changes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    IMMUTABLE,
    Errors,
    check_immutable,
    check_name,
    check_optional_choice,
    dns_subdomain,
)
from apiserver.api.kinds._claims import (
    ACCESS_MODES_COLUMN,
    ATTRIBUTES,
    ATTRIBUTES_COLUMN,
    CLASS_COLUMN,
    VOLUME_MODE_COLUMN,
    VOLUME_MODES,
    attributes_text,
    check_access_modes,
    check_size,
    class_of,
    modes_text,
    phase_of,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, UNSET
from apiserver.api.kinds._paths import check_no_backsteps
from apiserver.api.kinds._scheduling_validation import check_node_selector
from apiserver.api.kinds._volume_validation import VOLUME_SOURCES, check_csi_driver_name
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Volume = dict[str, Any]

_POLICIES = ("Delete", "Recycle", "Retain")


def default(obj: Volume) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("persistentVolumeReclaimPolicy"):
        spec["persistentVolumeReclaimPolicy"] = "Retain"
    if spec.get("volumeMode") is None:
        spec["volumeMode"] = "Filesystem"


def prepare_create(obj: Volume) -> None:
    obj["status"] = {"phase": "Pending"}


def _check_csi(source: Volume, path: str, errors: Errors) -> None:
    check_csi_driver_name(source.get("driver") or "", f"{path}.driver", errors)
    if not source.get("volumeHandle"):
        errors.append(required(f"{path}.volumeHandle"))


def _check_local(source: Volume, path: str, errors: Errors) -> None:
    if not source.get("path"):
        errors.append(required(f"{path}.path"))
    else:
        check_no_backsteps(source["path"], f"{path}.path", errors)


_FROM_PODS = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "nfs", "rbd", "quobyte", "cephfs", "iscsi", "cinder", "fc",
    "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO",
    "storageos", "flocker", "glusterfs",
)  # fmt: skip
_SOURCES: Mapping[str, Callable[[Volume, str, Errors], None]] = {
    **{name: VOLUME_SOURCES[name] for name in _FROM_PODS},
    "local": _check_local,
    "csi": _check_csi,
}


def _sources(spec: Volume) -> dict[str, Volume]:
    return {name: spec[name] for name in _SOURCES if spec.get(name) is not None}


def _check_sources(spec: Volume, errors: Errors) -> None:
    found = _sources(spec)
    if not found:
        errors.append(required("spec", "must specify a volume type"))
        return
    first, *others = found
    _SOURCES[first](found[first], f"spec.{first}", errors)
    errors.extend(forbidden(f"spec.{other}", "may not specify more than 1 volume type") for other in others)
    if first == "local" and spec.get("nodeAffinity") is None:
        errors.append(required("spec.nodeAffinity", "Local volume requires node affinity"))
    host_path, policy = (spec.get("hostPath") or {}).get("path") or "", spec.get("persistentVolumeReclaimPolicy")
    if policy == "Recycle" and host_path and posixpath.normpath(host_path) == "/":
        path = "spec.persistentVolumeReclaimPolicy"
        errors.append(forbidden(path, "may not be 'recycle' for a hostPath mount of '/'"))


def _check_capacity(capacity: Volume, errors: Errors) -> None:
    if not capacity:
        errors.append(required("spec.capacity"))
    if "storage" not in capacity or len(capacity) > 1:
        errors.append(not_supported("spec.capacity", capacity or None, ["storage"]))
    for name, value in capacity.items():
        check_size(value, f"spec.capacity[{name}]", errors)


def validate(obj: Volume) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_access_modes(spec.get("accessModes") or (), "spec.accessModes", errors)
    _check_capacity(spec.get("capacity") or {}, errors)
    policy = spec.get("persistentVolumeReclaimPolicy")
    check_optional_choice(policy, "spec.persistentVolumeReclaimPolicy", errors, choices=_POLICIES)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is None:
            errors.append(required("spec.nodeAffinity.required", "must specify required node constraints"))
        else:
            check_node_selector(affinity["required"], "spec.nodeAffinity.required", errors)
    _check_sources(spec, errors)
    if spec.get("storageClassName"):
        check_name(spec["storageClassName"], "spec.storageClassName", errors, rule=dns_subdomain)
    check_optional_choice(spec.get("volumeMode"), "spec.volumeMode", errors, choices=VOLUME_MODES)
    _check_attributes(spec, errors)
    return errors


def _check_attributes(spec: Volume, errors: Errors) -> None:
    name = spec.get(ATTRIBUTES)
    if name is None:
        return
    if not name:
        errors.append(required(f"spec.{ATTRIBUTES}", "an empty string is disallowed"))
    else:
        check_name(name, f"spec.{ATTRIBUTES}", errors, rule=dns_subdomain)
    if spec.get("csi") is None:
        errors.append(required("spec.csi", f"has to be specified when using {ATTRIBUTES}"))


def _comparable(spec: Volume, old: Volume) -> dict[str, Volume]:
    """Where the data is. The secret for growing may be named later."""
    sources = _sources(spec)
    csi, before = sources.get("csi"), _sources(old).get("csi")
    if csi and before and before.get("controllerExpandSecretRef") is None:
        sources["csi"] = {key: value for key, value in csi.items() if key != "controllerExpandSecretRef"}
    return sources


def validate_update(obj: Volume, old: Volume) -> list[FieldError]:
    errors: Errors = []
    spec, before = obj["spec"], old.get("spec") or {}
    if _comparable(spec, before) != _sources(before):
        told = "spec.persistentvolumesource is immutable after creation"
        errors.append(forbidden("spec.persistentvolumesource", told))
    check_immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode", errors)
    affinity = spec.get("nodeAffinity")
    if before.get("nodeAffinity") is not None and affinity != before["nodeAffinity"]:
        told = f"{IMMUTABLE}, except for updating from beta label to GA"
        errors.append(invalid_value("nodeAffinity", affinity, told))
    if before.get(ATTRIBUTES) is not None and spec.get(ATTRIBUTES) is None:
        errors.append(forbidden(f"spec.{ATTRIBUTES}", "update from non-nil value to nil is forbidden"))
    return errors


def row(obj: Volume, now: datetime) -> Sequence[Cell]:
    spec, claim = obj.get("spec") or {}, (obj.get("spec") or {}).get("claimRef")
    return (
        obj["metadata"]["name"],
        str((spec.get("capacity") or {}).get("storage") or "0"),
        modes_text(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy") or "",
        phase_of(obj),
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim is not None else "",
        class_of(obj),
        attributes_text(spec),
        (obj.get("status") or {}).get("reason") or "",
        age_of(obj, now),
        spec.get("volumeMode") or UNSET,
    )


RULES = register(
    KindRules(
        group="",
        kind="PersistentVolume",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Capacity", description="How much it holds."),
            ACCESS_MODES_COLUMN,
            Column("Reclaim Policy", description="What becomes of it when its claim is gone."),
            Column("Status", description="Available, Bound, Released or Failed."),
            Column("Claim", description="Whose it is."),
            CLASS_COLUMN,
            ATTRIBUTES_COLUMN,
            Column("Reason", description="Why it failed."),
            AGE_COLUMN,
            VOLUME_MODE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
