"""What CSI drivers say of themselves: CSIDriver, CSINode, CSIStorageCapacity."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._amounts import amount
from apiserver.api.kinds._checks import (
    NOT_NEGATIVE,
    Errors,
    check_immutable,
    check_name,
    check_not_negative,
    check_optional_choice,
    dns_subdomain,
    qualified_name,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE, UNSET
from apiserver.api.kinds._label_selectors import check_selector
from apiserver.api.kinds._volume_validation import check_csi_driver_name
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "storage.k8s.io"
_FS_GROUPS = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_DRIVER_DEFAULTS = {
    "attachRequired": True,
    "podInfoOnMount": False,
    "storageCapacity": False,
    "fsGroupPolicy": "ReadWriteOnceWithFSType",
    "requiresRepublish": False,
    "seLinuxMount": False,
}
_TOKEN_SECONDS = (600, 2**32)
_MIN_UPDATE_SECONDS = 10


def default_driver(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for field, value in _DRIVER_DEFAULTS.items():
        if spec.get(field) is None:
            spec[field] = value
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def validate_driver(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    check_csi_driver_name(obj["metadata"].get("name") or "", "metadata.name", errors)
    for field in ("attachRequired", "podInfoOnMount", "storageCapacity"):
        if spec.get(field) is None:
            errors.append(required(f"spec.{field}"))
    check_optional_choice(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy", errors, choices=_FS_GROUPS)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            errors.append(not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES))
    _check_tokens(spec.get("tokenRequests") or [], errors)
    period, path = spec.get("nodeAllocatableUpdatePeriodSeconds"), "spec.nodeAllocatableUpdatePeriodSeconds"
    if period is not None and period < _MIN_UPDATE_SECONDS:
        errors.append(invalid_value(path, period, f"must be greater than or equal to {_MIN_UPDATE_SECONDS} seconds"))
    return errors


def _check_tokens(requests: list[Obj], errors: Errors) -> None:
    audiences: set[str] = set()
    low, high = _TOKEN_SECONDS
    for i, request in enumerate(requests):
        audience, seconds, path = (
            request.get("audience") or "",
            request.get("expirationSeconds"),
            f"spec.tokenRequests[{i}]",
        )
        if audience in audiences:
            errors.append(duplicate(f"{path}.audience", audience))
        audiences.add(audience)
        if seconds is not None and seconds < low:
            told = "may not specify a duration less than 10 minutes"
            errors.append(invalid_value(f"{path}.expirationSeconds", seconds, told))
        elif seconds is not None and seconds > high:
            told = "may not specify a duration larger than 2^32 seconds"
            errors.append(invalid_value(f"{path}.expirationSeconds", seconds, told))


def validate_driver_update(obj: Obj, old: Obj) -> list[FieldError]:
    errors: Errors = []
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    for field, path in (
        ("attachRequired", "spec.attachedRequired"),
        ("fsGroupPolicy", "spec.fsGroupPolicy"),
        ("volumeLifecycleModes", "spec.volumeLifecycleModes"),
    ):
        check_immutable(spec.get(field), before.get(field), path, errors)
    return errors


def driver_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    tokens = spec.get("tokenRequests")
    return (
        obj["metadata"]["name"],
        spec.get("attachRequired") is not False,
        bool(spec.get("podInfoOnMount")),
        bool(spec.get("storageCapacity")),
        UNSET if tokens is None else ",".join(token.get("audience") or "" for token in tokens),
        bool(spec.get("requiresRepublish")),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        age_of(obj, now),
    )


def _check_node_driver(driver: Obj, path: str, errors: Errors) -> None:
    check_csi_driver_name(driver.get("name") or "", f"{path}.name", errors)
    node_id = driver.get("nodeID") or ""
    if not node_id:
        errors.append(required(f"{path}.nodeID", node_id))
    if len(node_id) > 256:
        errors.append(invalid_value(f"{path}.nodeID", node_id, "must be 256 characters or less"))
    check_not_negative((driver.get("allocatable") or {}).get("count"), f"{path}.allocatable.count", errors)
    keys = driver.get("topologyKeys") or []
    for i, key in enumerate(keys):
        if not key:
            errors.append(required(f"{path}.topologyKeys[{i}]"))
        if key in keys[:i]:
            errors.append(duplicate(f"{path}.topologyKeys[{i}]", key))
        check_name(key, f"{path}.topologyKeys[{i}]", errors, rule=qualified_name)


def validate_node(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    names: set[str] = set()
    for i, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        _check_node_driver(driver, f"spec.drivers[{i}]", errors)
        name = driver.get("name") or ""
        if name in names:
            errors.append(duplicate(f"spec.drivers[{i}].name", name))
        names.add(name)
    return errors


def validate_node_update(obj: Obj, old: Obj) -> list[FieldError]:
    """A driver may come and go; what it has said of the node stays."""
    before = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
    errors: Errors = []
    for i, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
        was = before.get(driver.get("name"))
        if was is not None and _fixed(driver) != _fixed(was):
            errors.append(invalid_value(f"spec.drivers[{i}]", driver, "field is immutable"))
    return errors


def _fixed(driver: Obj) -> Obj:
    return {key: value for key, value in driver.items() if key != "allocatable"}


def node_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    return obj["metadata"]["name"], len((obj.get("spec") or {}).get("drivers") or ()), age_of(obj, now)


def validate_capacity(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    check_selector(obj.get("nodeTopology"), "nodeTopology", errors)
    check_name(obj.get("storageClassName") or "", "storageClassName", errors, rule=dns_subdomain)
    for field in ("capacity", "maximumVolumeSize"):
        value = obj.get(field)
        if value is not None and amount(value) < 0:
            errors.append(invalid_value(field, str(value), NOT_NEGATIVE))
    return errors


def validate_capacity_update(obj: Obj, old: Obj) -> list[FieldError]:
    errors: Errors = []
    for field in ("nodeTopology", "storageClassName"):
        check_immutable(obj.get(field), old.get(field), field, errors)
    return errors


def capacity_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    capacity = obj.get("capacity")
    return obj["metadata"]["name"], obj.get("storageClassName") or "", UNSET if capacity is None else str(capacity)


DRIVER = register(
    KindRules(
        group=GROUP,
        kind="CSIDriver",
        default=default_driver,
        validate=validate_driver,
        validate_update=validate_driver_update,
        columns=(
            NAME_COLUMN,
            Column("AttachRequired", "boolean", description="Whether its volumes are attached to nodes first."),
            Column("PodInfoOnMount", "boolean", description="Whether it is told of the pod."),
            Column("StorageCapacity", "boolean", description="Whether it says how much it has."),
            Column("TokenRequests", description="Whom the tokens are for that it gets."),
            Column("RequiresRepublish", "boolean", description="Whether it is called again and again."),
            Column("Modes", description="How long its volumes live."),
            AGE_COLUMN,
        ),
        row=driver_row,
        extra={"requires_resource_version": True},
    )
)
NODE = register(
    KindRules(
        group=GROUP,
        kind="CSINode",
        validate=validate_node,
        validate_update=validate_node_update,
        columns=(NAME_COLUMN, Column("Drivers", "integer", description="How many drivers there are."), AGE_COLUMN),
        row=node_row,
        counts_generation=False,
        extra={"requires_resource_version": True},
    )
)
CAPACITY = register(
    KindRules(
        group=GROUP,
        kind="CSIStorageCapacity",
        validate=validate_capacity,
        validate_update=validate_capacity_update,
        columns=(
            NAME_COLUMN,
            Column("StorageClassName", description="The kind of storage."),
            Column("Capacity", description="How much there is."),
        ),
        row=capacity_row,
        counts_generation=False,
        extra={"requires_resource_version": True},
    )
)
