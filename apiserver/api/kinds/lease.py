"""Lease: who holds something, and until when others must believe it. Written often: by nodes and by leaders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid_value
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_not_negative
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Lease = dict[str, Any]

_COORDINATED = ("strategy", "preferredHolder")
"""Fields of coordinated leader election, which is off unless asked for: they are dropped, not refused."""


def prepare_create(obj: Lease) -> None:
    for field in _COORDINATED:
        (obj.get("spec") or {}).pop(field, None)


def prepare_update(obj: Lease, old: Lease) -> None:
    prepare_create(obj)


def validate(obj: Lease) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        errors.append(invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0"))
    check_not_negative(spec.get("leaseTransitions"), "spec.leaseTransitions", errors)
    return errors


def row(obj: Lease, now: datetime) -> Sequence[Cell]:
    meta = obj["metadata"]
    holder = (obj.get("spec") or {}).get("holderIdentity") or ""
    return meta["name"], holder, age(meta.get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="coordination.k8s.io",
        kind="Lease",
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate,
        columns=(NAME_COLUMN, Column("Holder", description="Who holds the lease."), AGE_COLUMN),
        row=row,
        counts_generation=False,
        create_on_update=True,
        extra={"requires_resource_version": True},
    )
)
