"""Namespace: what it gets at create, so that its end waits until it is empty, and the one word of its status.

The finalizer `kubernetes` in the spec is taken away by the namespace controller through the finalize subresource.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api import meta, names
from apiserver.api.fielderrors import FieldError, invalid_value
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_name, qualified_name
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Namespace = dict[str, Any]

NAME_LABEL = "kubernetes.io/metadata.name"
FINALIZER = "kubernetes"


def default(obj: Namespace) -> None:
    """Every namespace carries its name as a label, so that selectors can name it."""
    name = obj["metadata"].get("name")
    if name:
        obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), NAME_LABEL: name}
    status = obj.get("status") or {}
    obj["status"] = {**status, "phase": status.get("phase") or "Active"}


def prepare_create(obj: Namespace) -> None:
    spec = obj.get("spec") or {}
    finalizers = spec.get("finalizers") or []
    if FINALIZER not in finalizers:
        finalizers = [*finalizers, FINALIZER]
    obj["spec"] = {**spec, "finalizers": finalizers}
    obj["status"] = {"phase": "Active"}


def validate(obj: Namespace) -> list[FieldError]:
    errors: Errors = []
    for finalizer in (obj.get("spec") or {}).get("finalizers") or ():
        check_name(finalizer, "spec.finalizers", errors, rule=qualified_name)
        errors.extend(meta.standard_or_qualified(finalizer, path="spec.finalizers"))
    return errors


def validate_status_update(obj: Namespace, old: Namespace) -> list[FieldError]:
    phase = (obj.get("status") or {}).get("phase") or ""
    if obj["metadata"].get("deletionTimestamp"):
        right, told = "Terminating", "may only be 'Terminating' if `deletionTimestamp` is not empty"
    else:
        right, told = "Active", "may only be 'Active' if `deletionTimestamp` is empty"
    return [] if phase == right else [invalid_value("status.Phase", phase, told)]


def _phase(obj: Namespace) -> str:
    return (obj.get("status") or {}).get("phase") or ""


def row(obj: Namespace, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], _phase(obj), age(obj["metadata"].get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="",
        kind="Namespace",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_status_update=validate_status_update,
        validate_name=names.dns1123_label,
        selectable_fields=lambda obj: {"status.phase": _phase(obj)},
        field_names=frozenset(("status.phase",)),
        columns=(NAME_COLUMN, Column("Status", description="Active, or Terminating while it is emptied."), AGE_COLUMN),
        row=row,
        counts_generation=False,
    )
)
