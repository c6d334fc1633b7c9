"""What a YAML scalar means: YAML 1.1 as upstream's library reads it, without the traps of times and base 60.

`yes`, `on` and `y` are booleans, `0o17` and `017` octal, `1_000` and `1e3` numbers; `1:30` and dates are text.
A number without a fraction is an integer, however it is written. Raises NotAScalar.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

_TAG = "tag:yaml.org,2002:"
_FIXED: dict[str, Any] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE = {
    **dict.fromkeys((".nan", ".NaN", ".NAN"), "NaN"),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), "+Inf"),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), "-Inf"),
}
_NUMERIC = frozenset("+-.0123456789")
_INTEGER = re.compile(r"([-+]?)(?:0[bB]([01]+)|0[oO]?([0-7]+)|0[xX]([0-9a-fA-F]+)|(0|[1-9][0-9]*))", re.ASCII)
_BASES = (2, 8, 16, 10)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_MOST_DIGITS = 300
_WRITTEN_OUT_BELOW = 1e21
"""From here on Go writes a number with an exponent, and then it is no integer any more."""


class NotAScalar(ValueError):
    """The text is not what its tag says, or JSON has no form for it."""


def resolve(tag: str, text: str, *, plain: bool) -> Any:
    """The JSON value of a scalar. An empty tag means that the document does not say."""
    if not tag:
        return _plain(text) if plain else text
    kind = tag.removeprefix(_TAG)
    if kind == "binary":
        return _binary(text)
    if kind in ("int", "float", "bool", "null"):
        return _tagged(kind, text)
    return text


def key_text(key: Any) -> str:
    """A mapping's key, which JSON wants as text."""
    if isinstance(key, str):
        return key
    if key is None:
        raise NotAScalar("unsupported map key of type: %!s(<nil>), key: <nil>")
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def _plain(text: str) -> Any:
    if text in _FIXED:
        return _FIXED[text]
    if text[0] not in _NUMERIC:
        return text
    if text in _NOT_FINITE:
        raise NotAScalar(f"json: unsupported value: {_NOT_FINITE[text]}")
    return _number(text)


def _number(text: str) -> Any:
    digits = text.replace("_", "")
    found = _INTEGER.fullmatch(digits)
    if found is not None:
        return _integer(found)
    if _FLOAT.fullmatch(digits):
        value = float(digits)
        if abs(value) < _WRITTEN_OUT_BELOW:
            return int(value) if value.is_integer() else value
        if value not in (float("inf"), float("-inf")):
            return value
    return text


def _integer(found: re.Match[str]) -> int | float:
    if len(found[0]) > _MOST_DIGITS:
        raise NotAScalar(f"json: cannot unmarshal number {found[0]} into Go value of type float64")
    value = next(int(found[i], base) for i, base in enumerate(_BASES, 2) if found[i] is not None)
    value = -value if found[1] == "-" else value
    return value if -(2**63) <= value < 2**64 else float(value)


def _binary(text: str) -> str:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True).decode("utf-8", "replace")
    except ValueError as err:
        raise NotAScalar("yaml: !!binary value contains invalid base64 data") from err


def _tagged(kind: str, text: str) -> Any:
    value = _plain(text)
    found = _kind(value)
    if found == kind or (kind == "float" and found == "int"):
        return value
    raise NotAScalar(f"yaml: cannot decode !!{found} `{text}` as a !!{kind}")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "float" if isinstance(value, float) else "str"
