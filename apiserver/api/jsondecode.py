"""JSON bodies: decoding, what is wrong with a malformed one, duplicate fields, and how deep one may nest.

Malformed JSON raises NotJSON with the words of Go's decoder. Text that is not UTF-8 is mended as Go does (U+FFFD);
numbers that are no integers of 64 bits become floats. Of a field that occurs twice the last one counts.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from apiserver.api.jsonsyntax import complaint

DEEPEST = 240
"""Levels of nesting. Our encoder stops at 254; a list or table puts a few more around the object."""
MOST_NAMED = 100


class NotJSON(ValueError):
    """The body can't be read as JSON; the message is that of Go's decoder."""


def decode(body: bytes) -> Any:
    """The document. Raises NotJSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as err:
        document = _decode_again(body, err)
    if body.count(b"{") + body.count(b"[") > DEEPEST:
        refuse_deep(document)
    return document


def _decode_again(body: bytes, first: orjson.JSONDecodeError) -> Any:
    """The fast decoder refuses more than the grammar does."""
    wrong = complaint(body)
    if wrong is not None:
        raise NotJSON(wrong) from first
    try:
        return orjson.loads(body.decode("utf-8", "replace"))
    except orjson.JSONDecodeError as err:
        raise NotJSON("exceeded max depth" if "recursion" in err.msg.lower() else err.msg) from err


def refuse_deep(document: Any) -> None:
    """Raises NotJSON for a document that nests deeper than what can be stored."""
    level = [document]
    for _ in range(DEEPEST):
        below: list[Any] = []
        for value in level:
            if value.__class__ is dict:
                below.extend(v for v in value.values() if v.__class__ is dict or v.__class__ is list)
            elif value.__class__ is list:
                below.extend(v for v in value if v.__class__ is dict or v.__class__ is list)
        if not below:
            return
        level = below
    raise NotJSON("exceeded max depth")


class _Fields(list[tuple[str, Any]]):
    """An object as it was written: every field, in order, repeated ones too."""


def duplicate_fields(body: bytes) -> list[str]:
    """The paths of fields that occur twice in one object: `metadata.name`, `spec.containers[0].image`.

    For a body that `decode` accepted. A first, cheap pass finds out whether there is any at all.
    """
    found: dict[str, None] = {}
    repeated = False

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        fields = dict(pairs)
        repeated = repeated or len(fields) != len(pairs)
        return fields

    text = body.decode("utf-8", "replace")
    json.loads(text, object_pairs_hook=whole)
    if repeated:
        _repeated(json.loads(text, object_pairs_hook=_Fields), "", found)
    return list(found)[:MOST_NAMED]


def _repeated(value: Any, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Fields):
        seen: set[str] = set()
        for name, below in value:
            there = f"{path}.{name}" if path else name
            if name in seen:
                found[there] = None
            seen.add(name)
            _repeated(below, there, found)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _repeated(item, f"{path}[{i}]", found)
