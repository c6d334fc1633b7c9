"""What claims and volumes have in common: access modes and sizes, and the short forms that tables have for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, required
from apiserver.api.kinds._amounts import amount
from apiserver.api.kinds._checks import NOT_NEGATIVE, NOT_POSITIVE, Errors, check_choice
from apiserver.api.kinds._columns import UNSET
from apiserver.api.kinds.base import Column

Spec = dict[str, Any]

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
ATTRIBUTES = "volumeAttributesClassName"
VOLUME_MODES = ("Block", "Filesystem")
ACCESS_MODES_COLUMN = Column("Access Modes", description="How it may be mounted.")
CLASS_COLUMN = Column("StorageClass", description="The kind of storage.")
ATTRIBUTES_COLUMN = Column("VolumeAttributesClass", description="The class of its changeable attributes.")
VOLUME_MODE_COLUMN = Column("VolumeMode", description="Files or a raw device.", priority=1)
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def check_access_modes(modes: Sequence[str], path: str, errors: Errors, *, missing: str = "") -> None:
    if not modes:
        errors.append(required(path, missing))
    for mode in modes:
        check_choice(mode, path, errors, choices=sorted(_SHORT))
    if "ReadWriteOncePod" in modes and any(mode in _SHORT and mode != "ReadWriteOncePod" for mode in modes):
        errors.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))


def check_size(value: Any, path: str, errors: Errors) -> None:
    """More than nothing."""
    if amount(value) <= 0:
        told = NOT_POSITIVE if amount(value) == 0 else NOT_NEGATIVE
        errors.append(invalid_value(path, str(value), told))


def check_claim_spec(spec: Spec, path: str, errors: Errors) -> None:
    """The parts of a PersistentVolumeClaim's spec that a claim can't do without."""
    told = "at least 1 access mode is required"
    check_access_modes(spec.get("accessModes") or (), f"{path}.accessModes", errors, missing=told)
    storage = requested(spec)
    where = f"{path}.resources[storage]"
    if storage is None:
        errors.append(required(where))
    else:
        check_size(storage, where, errors)


def requested(spec: Spec) -> Any:
    """The size that a claim asks for."""
    return ((spec.get("resources") or {}).get("requests") or {}).get("storage")


def modes_text(modes: Sequence[str] | None) -> str:
    """`RWO,RWX`, in the order that people know."""
    return ",".join(short for mode, short in _SHORT.items() if mode in (modes or ()))


def class_of(obj: Spec) -> str:
    """The storage class, by the field or by the annotation that came before it."""
    annotated = (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return annotated if annotated is not None else (obj.get("spec") or {}).get("storageClassName") or ""


def attributes_text(spec: Spec) -> str:
    name: str | None = spec.get(ATTRIBUTES)
    return UNSET if name is None else name


def phase_of(obj: Spec) -> str:
    """The phase, or that the object is on its way out."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return (obj.get("status") or {}).get("phase") or ""
