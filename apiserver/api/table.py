"""Objects as Tables (`meta.k8s.io/v1`): what `kubectl get` shows. Columns and cells come from the kind's rules.

A kind without columns of its own gets Name and Created At, as upstream does. Pure: `now` is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from apiserver.api.kinds._ages import age
from apiserver.api.kinds.base import Cell, Column, KindRules

Obj = dict[str, Any]
Include = Literal["None", "Metadata", "Object"]

META_API_VERSION = "meta.k8s.io/v1"
PLAIN_COLUMNS = (
    Column("Name", format="name", description="The name, unique among the objects of its kind in its namespace."),
    Column("Created At", "date", description="When the server created the object."),
)

__all__ = ["META_API_VERSION", "PLAIN_COLUMNS", "age", "partial_object_metadata", "table"]


def table(
    rules: KindRules,
    objects: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    include_object: str = "Metadata",
    list_meta: Mapping[str, Any],
) -> Obj:
    """One row per object, in their order. `include_object` says what each row carries beside its cells."""
    own = rules.row is not None and bool(rules.columns)
    columns = rules.columns if own else PLAIN_COLUMNS
    return {
        "kind": "Table",
        "apiVersion": META_API_VERSION,
        "metadata": dict(list_meta),
        "columnDefinitions": [_definition(c) for c in columns],
        "rows": [{"cells": _cells(rules, o, now), "object": _carried(o, include_object)} for o in objects],
    }


def _definition(column: Column) -> Obj:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _cells(rules: KindRules, obj: Mapping[str, Any], now: datetime) -> list[Cell]:
    if rules.row is not None and rules.columns:
        return list(rules.row(dict(obj), now))
    meta = obj["metadata"]
    return [meta.get("name", ""), meta.get("creationTimestamp")]


def _carried(obj: Mapping[str, Any], include: str) -> Obj | None:
    match include:
        case "None":
            return None
        case "Object":
            return dict(obj)
    return partial_object_metadata(obj)


def partial_object_metadata(obj: Mapping[str, Any]) -> Obj:
    """The metadata alone, whatever the kind."""
    return {"kind": "PartialObjectMetadata", "apiVersion": META_API_VERSION, "metadata": obj["metadata"]}
