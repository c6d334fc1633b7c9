"""PersistentVolumeClaim: storage that somebody asks for. Once made, little of it changes: the volume's name once, the
size and the class of its attributes while it is bound."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._amounts import amount
from apiserver.api.kinds._checks import (
    IMMUTABLE,
    Errors,
    check_immutable,
    check_name,
    check_optional_choice,
    dns_label,
    dns_subdomain,
)
from apiserver.api.kinds._claims import (
    ACCESS_MODES_COLUMN,
    ATTRIBUTES,
    ATTRIBUTES_COLUMN,
    CLASS_ANNOTATION,
    CLASS_COLUMN,
    VOLUME_MODE_COLUMN,
    VOLUME_MODES,
    attributes_text,
    check_claim_spec,
    class_of,
    modes_text,
    phase_of,
    requested,
)
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, UNSET
from apiserver.api.kinds._label_selectors import check_selector
from apiserver.api.kinds._volume_defaults import default_claim_spec
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Claim = dict[str, Any]

_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def default(obj: Claim) -> None:
    default_claim_spec(obj.setdefault("spec", {}))


def prepare_create(obj: Claim) -> None:
    """A source of data is known under both of its fields."""
    spec = obj["spec"]
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = {key: reference[key] for key in ("apiGroup", "kind", "name") if key in reference}
    obj["status"] = {"phase": "Pending"}


def _check_source(source: Claim, path: str, errors: Errors) -> None:
    errors.extend(required(f"{path}.{field}") for field in ("name", "kind") if not source.get(field))
    group, kind = source.get("apiGroup") or "", source.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        told = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid_value(path, kind, told))
    if group:
        check_name(group, f"{path}.apiGroup", errors, rule=dns_subdomain)
    if source.get("namespace"):
        check_name(source["namespace"], f"{path}.namespace", errors, rule=dns_label)


def _check_sources(spec: Claim, errors: Errors) -> None:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        _check_source(source, "spec.dataSource", errors)
    if reference is not None:
        _check_source(reference, "spec.dataSourceRef", errors)
    if source is None or reference is None:
        return
    if reference.get("namespace"):
        told = "may not be specified when dataSourceRef.namespace is specified"
        errors.append(invalid_value("spec", "spec.dataSource", told))
    elif any(source.get(key) != reference.get(key) for key in ("apiGroup", "kind", "name")):
        errors.append(invalid_value("spec", "spec.dataSource", "must match dataSourceRef"))


def validate(obj: Claim) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    check_claim_spec(spec, "spec", errors)
    check_selector(spec.get("selector"), "spec.selector", errors)
    for field in ("storageClassName", ATTRIBUTES):
        if spec.get(field):
            check_name(spec[field], f"spec.{field}", errors, rule=dns_subdomain)
    check_optional_choice(spec.get("volumeMode"), "spec.volumeMode", errors, choices=VOLUME_MODES)
    _check_sources(spec, errors)
    return errors


def _annotated_class(obj: Claim) -> str | None:
    return (obj["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)


def _comparable(spec: Claim, old: Claim, *, bound: bool, class_may_be_set: bool) -> Claim:
    """The new spec with everything that may change put back to what it was."""
    kept = dict(spec)
    if not old.get("volumeName"):
        kept["volumeName"] = old.get("volumeName")
    if class_may_be_set:
        kept["storageClassName"] = old.get("storageClassName")
    if bound:
        resources = spec.get("resources") or {}
        before = requested(old)
        if resources.get("requests"):
            kept["resources"] = {**resources, "requests": {**resources["requests"], "storage": before}}
        if spec.get(ATTRIBUTES) is not None:
            kept[ATTRIBUTES] = old.get(ATTRIBUTES)
    return {key: value for key, value in kept.items() if value is not None}


def validate_update(obj: Claim, old: Claim) -> list[FieldError]:
    errors: Errors = []
    spec, before = obj["spec"], old.get("spec") or {}
    chosen, annotated = spec.get("storageClassName"), _annotated_class(old)
    may_be_set = chosen is not None and before.get("storageClassName") is None and annotated in (None, chosen)
    if not may_be_set and _annotated_class(obj) != annotated:
        path = f"metadata.annotations.{CLASS_ANNOTATION}"
        errors.append(invalid_value(path, _annotated_class(obj) or "", IMMUTABLE))
    bound = (obj.get("status") or {}).get("phase") == "Bound"
    kept = _comparable(spec, before, bound=bound, class_may_be_set=may_be_set)
    if kept != {key: value for key, value in before.items() if value is not None}:
        errors.append(forbidden("spec", _FIXED))
    _check_growth(spec, old, errors)
    check_immutable(spec.get("volumeMode"), before.get("volumeMode"), "volumeMode", errors)
    _check_attributes(spec, before, errors)
    return errors


def _check_growth(spec: Claim, old: Claim, errors: Errors) -> None:
    """A size may shrink back towards what there is, after an expansion that failed, but never below it."""
    asked, before = requested(spec), requested(old.get("spec") or {})
    have = ((old.get("status") or {}).get("capacity") or {}).get("storage")
    if amount(asked or 0) < amount(before or 0) and amount(asked or 0) <= amount(have or 0):
        errors.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))


def _check_attributes(spec: Claim, old: Claim, errors: Errors) -> None:
    if old.get(ATTRIBUTES) is None:
        return
    if spec.get(ATTRIBUTES) is None:
        errors.append(forbidden(f"spec.{ATTRIBUTES}", "update from non-nil value to nil is forbidden"))
    elif not spec[ATTRIBUTES]:
        errors.append(forbidden(f"spec.{ATTRIBUTES}", "update from non-nil value to an empty string is forbidden"))


def row(obj: Claim, now: datetime) -> Sequence[Cell]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    bound = spec.get("volumeName") or ""
    return (
        obj["metadata"]["name"],
        phase_of(obj),
        bound,
        str((status.get("capacity") or {}).get("storage") or "0") if bound else "",
        modes_text(status.get("accessModes")) if bound else "",
        class_of(obj),
        attributes_text(spec),
        age_of(obj, now),
        spec.get("volumeMode") or UNSET,
    )


RULES = register(
    KindRules(
        group="",
        kind="PersistentVolumeClaim",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Status", description="Pending, Bound or Lost."),
            Column("Volume", description="The volume that it is bound to."),
            Column("Capacity", description="How much it has."),
            ACCESS_MODES_COLUMN,
            CLASS_COLUMN,
            ATTRIBUTES_COLUMN,
            AGE_COLUMN,
            VOLUME_MODE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
