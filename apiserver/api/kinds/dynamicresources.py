"""ResourceClaim and its kin: devices that pods ask for. Kept and shown; whoever allocates them checks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_immutable
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "resource.k8s.io"


def _default_requests(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for exact in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if exact is None:
                continue
            if not exact.get("allocationMode"):
                exact["allocationMode"] = "ExactCount"
            if exact["allocationMode"] == "ExactCount" and not exact.get("count"):
                exact["count"] = 1


def default_claim(obj: Obj) -> None:
    _default_requests(obj.get("spec") or {})


def default_template(obj: Obj) -> None:
    _default_requests((obj.get("spec") or {}).get("spec") or {})


def prepare_claim(obj: Obj) -> None:
    obj["status"] = {}


def spec_stays(obj: Obj, old: Obj) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("spec"), old.get("spec"), "spec", errors)
    return errors


def state_of(obj: Obj) -> str:
    """`pending`; `allocated,reserved`; `deleted,allocated`."""
    deleted, status = bool(obj["metadata"].get("deletionTimestamp")), obj.get("status") or {}
    states = ["deleted"] if deleted else []
    if status.get("allocation") is not None:
        states.append("allocated")
        if status.get("reservedFor"):
            states.append("reserved")
    elif not deleted:
        states.append("pending")
    return ",".join(states)


def claim_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], state_of(obj), age_of(obj, now)


def plain_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], age_of(obj, now)


def slice_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    pool = (spec.get("pool") or {}).get("name") or ""
    return obj["metadata"]["name"], spec.get("nodeName") or "", spec.get("driver") or "", pool, age_of(obj, now)


def slice_fields(obj: Obj) -> Mapping[str, str]:
    spec = obj.get("spec") or {}
    return {"spec.nodeName": spec.get("nodeName") or "", "spec.driver": spec.get("driver") or ""}


CLAIM = register(
    KindRules(
        group=GROUP,
        kind="ResourceClaim",
        default=default_claim,
        prepare_create=prepare_claim,
        validate_update=spec_stays,
        columns=(NAME_COLUMN, Column("State", description="Whether it has what it asks for."), AGE_COLUMN),
        row=claim_row,
        counts_generation=False,
    )
)
TEMPLATE = register(
    KindRules(
        group=GROUP,
        kind="ResourceClaimTemplate",
        default=default_template,
        validate_update=spec_stays,
        columns=(NAME_COLUMN, AGE_COLUMN),
        row=plain_row,
        counts_generation=False,
    )
)
CLASS = register(KindRules(group=GROUP, kind="DeviceClass", columns=(NAME_COLUMN, AGE_COLUMN), row=plain_row))
SLICE = register(
    KindRules(
        group=GROUP,
        kind="ResourceSlice",
        selectable_fields=slice_fields,
        field_names=frozenset(("spec.nodeName", "spec.driver")),
        columns=(
            NAME_COLUMN,
            Column("Node", description="Where the devices are."),
            Column("Driver", description="Whose they are."),
            Column("Pool", description="The pool that they belong to."),
            AGE_COLUMN,
        ),
        row=slice_row,
    )
)
