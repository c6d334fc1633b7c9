"""Drops the fields that a schema does not know, and names them as upstream does: `spec.containers[0].foo`."""

from __future__ import annotations

from typing import Any

from apiserver.api.schema import PROPS, PROPS_OR_ARRAY, PROPS_OR_BOOL, Schema, schema_for

MOST_NAMED = 100
"""Fields beyond these are dropped and not named."""
_PROPS_WITHIN = frozenset({PROPS_OR_ARRAY, PROPS_OR_BOOL})


def prune(schema: Schema, obj: Any) -> list[str]:
    """Change the object in place; return the paths of what was dropped, in document order."""
    found: dict[str, None] = {}
    _walk(schema, obj, "", found)
    return list(found)


def _walk(schema: Schema, value: Any, path: str, found: dict[str, None]) -> None:
    if schema.definition in _PROPS_WITHIN:
        # Upstream decodes these leniently: what is unknown is dropped and never complained about.
        _walk_props(value)
    elif isinstance(value, list):
        if schema.items is not None:
            for i, item in enumerate(value):
                _walk(schema.items, item, f"{path}[{i}]", found)
    elif isinstance(value, dict) and not schema.is_free_form:
        _walk_fields(schema, value, path, found)


def _walk_props(value: Any) -> None:
    for item in value if isinstance(value, list) else [value]:
        _walk(schema_for(PROPS), item, "", {})


def _walk_fields(schema: Schema, value: dict[str, Any], path: str, found: dict[str, None]) -> None:
    for key in list(value):
        below = f"{path}.{key}" if path else key
        child = schema.property(key)
        if child is not None:
            _walk(child, value[key], below, found)
        elif not schema.preserves_unknown:
            del value[key]
            if len(found) < MOST_NAMED:
                found[below] = None
