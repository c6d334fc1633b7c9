"""Upstream's strict decoding errors of a JSON body: fields given twice, and fields that nobody knows, in their order.

The usual body has neither, and that is found out cheaply. What upstream counts: in a struct a known field given twice,
an unknown one once (and nothing below it); in a map any key given twice; in free-form values (RawExtension, FieldsV1)
nothing. Each complaint is made once, and after a hundred no more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from apiserver.api.gotext import quoted
from apiserver.api.schema import Schema

MOST = 100


class Fields(list[tuple[str, Any]]):
    """An object as it was written: every field, in order, repeated ones too."""


def has_duplicates(body: bytes, document: bytes) -> bool:
    """Whether any object in the body has a field twice. `document` is the decoded body, encoded again."""
    if body.rstrip() == document:
        return False
    repeated = False

    def whole(pairs: list[tuple[str, Any]]) -> None:
        nonlocal repeated
        repeated = repeated or len(dict(pairs)) != len(pairs)

    _load(body, whole)
    return repeated


def complaints(body: bytes, schema: Schema | None) -> list[str]:
    """Every strict error of a body that could be decoded. Without a schema only duplicates are errors."""
    found: dict[str, None] = {}
    _walk(_load(body, Fields), schema, "", found)
    return list(found)


def _load(body: bytes, hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """Numbers stay text: their values do not matter here, and huge ones would cost."""
    return json.loads(body.decode("utf-8", "replace"), object_pairs_hook=hook, parse_int=str, parse_float=str)


def unknown(paths: list[str]) -> list[str]:
    return [f"unknown field {quoted(path)}" for path in paths]


def error(complaints: list[str], repeated: list[str]) -> str:
    """All of them as one message. `repeated` are the YAML reader's complaints."""
    told = ["yaml: unmarshal errors:" + "".join(f"\n  {line}" for line in repeated)] if repeated else []
    return "strict decoding error: " + ", ".join([*told, *complaints])


def _walk(value: Any, schema: Schema | None, path: str, found: dict[str, None]) -> None:
    if isinstance(value, Fields):
        _walk_object(value, schema, path, found)
    elif isinstance(value, list):
        below = schema.items if schema is not None else None
        if schema is None or below is not None:
            for i, item in enumerate(value):
                _walk(item, below, f"{path}[{i}]", found)


def _walk_object(fields: Fields, schema: Schema | None, path: str, found: dict[str, None]) -> None:
    if schema is not None and schema.is_free_form:
        return
    seen: set[str] = set()
    for name, value in fields:
        there = f"{path}.{name}" if path else name
        below = schema.property(name) if schema is not None else None
        if schema is not None and below is None:
            if not schema.preserves_unknown:
                _add(f"unknown field {quoted(there)}", found)
            continue
        if name in seen:
            _add(f"duplicate field {quoted(there)}", found)
        seen.add(name)
        _walk(value, below, there, found)


def _add(complaint: str, found: dict[str, None]) -> None:
    if len(found) < MOST:
        found[complaint] = None
