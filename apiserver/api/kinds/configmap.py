"""ConfigMap: keys that can be file names, text and bytes apart, at most 1 MiB, and immutable where it says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.bytestext import decoded_length
from apiserver.api.fielderrors import FieldError, invalid_value, too_long
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._datamaps import MAX_BYTES, check_frozen, check_keys
from apiserver.api.kinds.base import Cell, Column, KindRules, register

ConfigMap = dict[str, Any]


def validate(obj: ConfigMap) -> list[FieldError]:
    errors: Errors = []
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    check_keys(data, "data", errors)
    for key in data.keys() & binary.keys():
        errors.append(invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData"))
    check_keys(binary, "binaryData", errors)
    size = sum(len(v.encode()) for v in data.values()) + sum(decoded_length(v) for v in binary.values())
    if size > MAX_BYTES:
        # The error is about the whole object: upstream names no field.
        errors.append(too_long("", MAX_BYTES))
    return errors


def validate_update(obj: ConfigMap, old: ConfigMap) -> list[FieldError]:
    errors: Errors = []
    check_frozen(obj, old, errors, fields=("data", "binaryData"))
    return errors


def row(obj: ConfigMap, now: datetime) -> Sequence[Cell]:
    entries = len(obj.get("data") or {}) + len(obj.get("binaryData") or {})
    return obj["metadata"]["name"], entries, age(obj["metadata"].get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="",
        kind="ConfigMap",
        validate=validate,
        validate_update=validate_update,
        columns=(NAME_COLUMN, Column("Data", description="How many entries there are."), AGE_COLUMN),
        row=row,
        counts_generation=False,
    )
)
