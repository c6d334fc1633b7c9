"""JSON bodies: decoding, what is wrong with a malformed one, and how deep one may nest.

Malformed JSON raises NotJSON with the words of Go's decoder. Text that is not UTF-8 and halves of surrogate pairs are
mended as Go does (U+FFFD); integers of more than 64 bits become floats. Of a field that occurs twice the last one
counts.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

from apiserver.api.jsonsyntax import complaint

DEEPEST = 240
"""Levels of nesting. Our encoder stops at 254; a list or table puts a few more around the object."""

_TOO_DEEP = "exceeded max depth"
_HALF_PAIRS = re.compile("[\ud800-\udfff]")


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
    """The fast decoder refuses more than the grammar does: then the slow one tries."""
    wrong = complaint(body)
    if wrong is not None:
        raise NotJSON(wrong) from first
    try:
        document = json.loads(body.decode("utf-8", "replace"), parse_float=_float, parse_int=_integer)
        refuse_deep(document)
    except RecursionError as err:
        raise NotJSON(_TOO_DEEP) from err
    return orjson.loads(_HALF_PAIRS.sub("\ufffd", json.dumps(document, ensure_ascii=False)))


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJSON(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _integer(text: str) -> int | float:
    if len(text) > 20:
        return _float(text)
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(value)


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
    raise NotJSON(_TOO_DEEP)
