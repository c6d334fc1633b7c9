"""StorageClass: a kind of storage that claims can ask for. Who makes it, and how, never changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, invalid_value, required, too_long, too_many
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import (
    Errors,
    check_choice,
    check_immutable,
    check_name,
    label_value,
    qualified_name,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

StorageClass = dict[str, Any]

_DEFAULT_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_POLICIES = ("Delete", "Retain")
_MODES = ("Immediate", "WaitForFirstConsumer")
_MAX_PARAMETERS = 512
_MAX_BYTES = 256 * 1024


def default(obj: StorageClass) -> None:
    if obj.get("reclaimPolicy") is None:
        obj["reclaimPolicy"] = "Delete"
    if obj.get("volumeBindingMode") is None:
        obj["volumeBindingMode"] = "Immediate"


def check_parameters(parameters: dict[str, str], errors: Errors, *, may_be_empty: bool) -> None:
    if not parameters and not may_be_empty:
        errors.append(required("parameters", "must contain at least one key/value pair"))
    if len(parameters) > _MAX_PARAMETERS:
        errors.append(too_many("parameters", len(parameters), _MAX_PARAMETERS))
        return
    if "" in parameters:
        errors.append(invalid_value("parameters", "", "field can not be empty."))
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > _MAX_BYTES:
        errors.append(too_long("parameters", _MAX_BYTES))


def check_provisioner(name: str, path: str, errors: Errors) -> None:
    if not name:
        errors.append(required(path))
    else:
        errors.extend(invalid_value(path, name, complaint) for complaint in qualified_name(name.lower()))


def _check_topologies(terms: list[StorageClass], errors: Errors) -> None:
    for i, term in enumerate(terms):
        seen: set[str] = set()
        for j, rule in enumerate(term.get("matchLabelExpressions") or ()):
            path, key = f"allowedTopologies[{i}].matchLabelExpressions[{j}]", rule.get("key") or ""
            values = rule.get("values") or []
            if not values:
                errors.append(required(f"{path}.values"))
            for k, value in enumerate(values):
                if value in values[:k]:
                    errors.append(duplicate(f"{path}.values[{k}]", value))
                check_name(value, f"{path}.values[{k}]", errors, rule=label_value)
            check_name(key, f"{path}.key", errors, rule=qualified_name)
            if key in seen:
                errors.append(duplicate(f"{path}.key", key))
            seen.add(key)


def validate(obj: StorageClass) -> list[FieldError]:
    errors: Errors = []
    check_provisioner(obj.get("provisioner") or "", "provisioner", errors)
    check_parameters(obj.get("parameters") or {}, errors, may_be_empty=True)
    check_choice(obj.get("reclaimPolicy"), "reclaimPolicy", errors, choices=_POLICIES)
    check_choice(obj.get("volumeBindingMode"), "volumeBindingMode", errors, choices=_MODES)
    _check_topologies(obj.get("allowedTopologies") or [], errors)
    return errors


def validate_update(obj: StorageClass, old: StorageClass) -> list[FieldError]:
    errors: Errors = []
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        if (obj.get(field) or None) != (old.get(field) or None):
            errors.append(forbidden(field, f"updates to {field} are forbidden."))
    check_immutable(obj.get("volumeBindingMode"), old.get("volumeBindingMode"), "volumeBindingMode", errors)
    return errors


def named(obj: StorageClass, marks: Sequence[str] = _DEFAULT_MARKS) -> str:
    """The name, and whether it is what claims get that ask for none."""
    annotations, name = obj["metadata"].get("annotations") or {}, obj["metadata"]["name"]
    return f"{name} (default)" if any(annotations.get(mark) == "true" for mark in marks) else name


def row(obj: StorageClass, now: datetime) -> Sequence[Cell]:
    return (
        named(obj),
        obj.get("provisioner") or "",
        obj.get("reclaimPolicy") or "Delete",
        obj.get("volumeBindingMode") or "Immediate",
        bool(obj.get("allowVolumeExpansion")),
        age_of(obj, now),
    )


RULES = register(
    KindRules(
        group="storage.k8s.io",
        kind="StorageClass",
        default=default,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Provisioner", description="Who makes the volumes."),
            Column("ReclaimPolicy", description="What becomes of them when their claims are gone."),
            Column("VolumeBindingMode", description="When they are made."),
            Column("AllowVolumeExpansion", description="Whether they may grow."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
