"""Checkers of single values: strings, numbers, quantities, times, bytes. See `schema_check` for the rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.api.bytestext import NotBase64, base64_text
from apiserver.api.quantity import NotAQuantity, canonical
from apiserver.api.schema import MICRO_TIME, TIME, Schema
from apiserver.api.schema_gotypes import json_value
from apiserver.api.times import NotATime, micro_time_text, time_text

Seen = list[str]
"""Becomes non-empty when an unknown field was met."""
Checker = Callable[[Any, Seen], Any]
"""(value, seen) → the value to keep; None drops a field. Never called with None."""

KNOWN_CLASSES = {"string": str, "boolean": bool}
_INT_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_TEXTS: dict[str, Callable[[str], str | None]] = {TIME: time_text, MICRO_TIME: micro_time_text}


class TypeMismatch(ValueError):
    """A value can't be decoded into the type that its field has in Go. The text is what Go's decoder would say."""

    def __init__(self, reason: str, *, go_type: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.go_type = go_type
        """Set where Go names the field and its type; otherwise the reason is the whole message."""
        self.struct = ""
        self.path: list[str] = []

    def within(self, field: str, struct: str) -> None:
        """The mismatch was found below this field."""
        self.path.insert(0, field)
        self.struct = self.struct or struct

    def __str__(self) -> str:
        if not self.go_type:
            return self.reason
        if not self.path:
            return f"json: cannot unmarshal {self.reason} into Go value of type {self.go_type}"
        field = f"{self.struct}.{'.'.join(self.path)}"
        return f"json: cannot unmarshal {self.reason} into Go struct field {field} of type {self.go_type}"


def anything(value: Any, seen: Seen) -> Any:
    return value


def mismatch(value: Any, name: str) -> TypeMismatch:
    return TypeMismatch(json_value(value), go_type=name)


def scalar(schema: Schema, name: str) -> Checker:
    if schema.type == "integer":
        return _integer(schema.format)
    if schema.type == "number":
        return _number
    if schema.type == "string" and schema.format == "byte":
        return _bytes
    return _exactly(KNOWN_CLASSES.get(schema.type, str), name)


def _exactly(kind: type, name: str) -> Checker:
    def exactly(value: Any, seen: Seen) -> Any:
        if value.__class__ is kind:
            return value
        raise mismatch(value, name)

    return exactly


def _integer(form: str) -> Checker:
    name = form if form in _INT_RANGES else "int64"
    low, high = _INT_RANGES[name]

    def integer(value: Any, seen: Seen) -> Any:
        if value.__class__ is int and low <= value <= high:
            return value
        raise TypeMismatch(json_value(value, integer=True), go_type=name)

    return integer


def _number(value: Any, seen: Seen) -> Any:
    if value.__class__ is float or value.__class__ is int:
        return value
    raise mismatch(value, "float64")


def int_or_string(value: Any, seen: Seen) -> Any:
    if value.__class__ is str:
        return value
    return _INT32(value, seen)


_INT32 = _integer("int32")


def quantity(value: Any, seen: Seen) -> Any:
    # Upstream reads the raw JSON: true or {} reach the parser as text and are refused there.
    text = value if value.__class__ is str else str(value)
    try:
        kept = canonical(text.strip())
    except NotAQuantity as err:
        raise TypeMismatch(str(err)) from None
    return value if kept == value else kept


def _bytes(value: Any, seen: Seen) -> Any:
    if value.__class__ is not str:
        raise mismatch(value, "[]uint8")
    try:
        return base64_text(value)
    except NotBase64 as err:
        raise TypeMismatch(str(err)) from None


def time_checker(schema: Schema) -> Checker:
    rewrite = _TEXTS[schema.definition]

    def time(value: Any, seen: Seen) -> Any:
        if value.__class__ is not str:
            raise mismatch(value, "string")
        try:
            return rewrite(value)
        except NotATime as err:
            raise TypeMismatch(str(err)) from None

    return time
