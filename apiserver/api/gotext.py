"""Text as Go's `fmt` writes it, where upstream's messages quote what a client sent."""

from __future__ import annotations

import re
from typing import Any

import orjson

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f-\U0010ffff]*')
_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v",
}  # fmt: skip

_HTML = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def quoted(text: str) -> str:
    """`%q`: in double quotes, what can't be printed escaped."""
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(ord(c))) for c in text) + '"'


def _escaped(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def value_text(value: Any) -> str:
    """`%+v` of a decoded JSON document: `map[spec:map[replicas:3]]`."""
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{value_text(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, list):
        return "[" + " ".join(value_text(v) for v in value) + "]"
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)


def json_text(value: Any) -> str:
    """JSON as `encoding/json` writes it: compact, with `<`, `>` and `&` escaped."""
    return orjson.dumps(value).decode().translate(_HTML)
