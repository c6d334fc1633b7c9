"""VolumeAttachment: that a volume shall be at a node. What it asks for never changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_immutable, check_name, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._volume_validation import check_csi_driver_name
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Attachment = dict[str, Any]


def prepare_create(obj: Attachment) -> None:
    obj["status"] = {"attached": False}


def _check_source(source: Attachment, errors: Errors) -> None:
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    path = "spec.source"
    if name is None and inline is None:
        told = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        errors.append(required(path, told))
    elif name is not None and inline is not None:
        told = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
        errors.append(invalid_value(path, source, told))
    elif name is not None:
        if not name:
            errors.append(required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName"))
        else:
            check_name(name, f"{path}.persistentVolumeName", errors, rule=dns_subdomain)


def validate(obj: Attachment) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_csi_driver_name(spec.get("attacher") or "", "spec.attacher", errors)
    _check_source(spec.get("source") or {}, errors)
    check_name(spec.get("nodeName") or "", "spec.nodeName", errors, rule=dns_subdomain)
    return errors


def validate_update(obj: Attachment, old: Attachment) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("spec"), old.get("spec"), "spec", errors)
    return errors


def row(obj: Attachment, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    return (
        obj["metadata"]["name"],
        spec.get("attacher") or "",
        (spec.get("source") or {}).get("persistentVolumeName") or "",
        spec.get("nodeName") or "",
        bool((obj.get("status") or {}).get("attached")),
        age_of(obj, now),
    )


RULES = register(
    KindRules(
        group="storage.k8s.io",
        kind="VolumeAttachment",
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Attacher", format="name", description="Who attaches it."),
            Column("PV", description="The volume."),
            Column("Node", description="The node."),
            Column("Attached", "boolean", description="Whether it is there."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
        extra={"requires_resource_version": True},
    )
)
