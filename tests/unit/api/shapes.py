"""Hypothesis strategies for objects of upstream's kinds: whatever the schema allows, in the form that is stored."""

from __future__ import annotations

import base64
from datetime import datetime
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from apiserver.api.schema import (
    INT_OR_STRING,
    MICRO_TIME,
    PROPS_OR_ARRAY,
    PROPS_OR_BOOL,
    PROPS_OR_STRINGS,
    TIME,
    Schema,
    schema_for,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
"""Anything that UTF-8 can hold."""
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
QUANTITIES = st.sampled_from(["0", "1", "100m", "1500m", "1Gi", "128Mi", "2k", "5e3", "1n", "-3"])
TIMES = st.datetimes(min_value=datetime(1, 1, 2)).map(lambda d: d.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0"))
MICRO_TIMES = st.builds(lambda t, us: f"{t[:-1]}.{us:06}Z", TIMES, st.integers(0, 999_999))
BASE64 = st.binary(max_size=8).map(lambda raw: base64.b64encode(raw).decode())
SCALARS = st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
ANY_JSON = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3), max_leaves=8
)
ANY_OBJECT = st.dictionaries(TEXT, ANY_JSON, max_size=3)


def tries(examples: int) -> settings:
    """So many examples, on however slow a machine."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def objects(schema: Schema, *, depth: int = 6) -> st.SearchStrategy[Any]:
    """Values of this schema. Below the depth nothing optional is given."""
    special = _special(schema, depth)
    if special is not None:
        return special
    if schema.is_map and schema.additional_properties is not None:
        return st.dictionaries(
            KEYS, objects(schema.additional_properties, depth=depth - 1), max_size=2 if depth > 0 else 0
        )
    if schema.is_object:
        return st.deferred(lambda: _struct(schema, depth))
    if schema.type == "array":
        items = schema.items or Schema({})
        return st.lists(objects(items, depth=depth - 1), max_size=2 if depth > 0 else 0)
    return _scalar(schema)


def _special(schema: Schema, depth: int) -> st.SearchStrategy[Any] | None:
    definition = schema.definition
    if definition == TIME:
        return TIMES
    if definition == MICRO_TIME:
        return MICRO_TIMES
    if definition == INT_OR_STRING or schema.is_int_or_string:
        return INT32 | TEXT
    if schema.is_quantity:
        return QUANTITIES
    if definition in (PROPS_OR_ARRAY, PROPS_OR_BOOL, PROPS_OR_STRINGS):
        return _union(definition, depth)
    return ANY_OBJECT if schema.is_free_form else None


def _union(definition: str, depth: int) -> st.SearchStrategy[Any]:
    props = st.deferred(lambda: objects(schema_for(definition.rpartition("Or")[0]), depth=depth - 2))
    if definition == PROPS_OR_BOOL:
        return props | st.booleans()
    return props | st.lists(TEXT if definition == PROPS_OR_STRINGS else props, min_size=1, max_size=2)


def _struct(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    names = [name for name in schema.properties if name not in ("apiVersion", "kind")]
    if depth <= 0 or not names:
        return st.just({})
    return st.lists(st.sampled_from(names), unique=True, max_size=4).flatmap(
        lambda chosen: st.fixed_dictionaries({n: objects(schema.properties[n], depth=depth - 1) for n in chosen})
    )


def _scalar(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.type == "integer":
        return INT32 if schema.format == "int32" else INT64
    if schema.type == "number":
        return st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9).filter(lambda f: not f.is_integer())
    if schema.type == "boolean":
        return st.booleans()
    return BASE64 if schema.format == "byte" else TEXT
