"""Protobuf messages of the Kubernetes API as the JSON that the same client would have sent.

Field numbers and types come from `data/protobuf-1.36.json`; each message is compiled at its first use. What differs
from a plain translation:

- structs that Go inlines (a volume's source, a probe's handler) are merged into the object around them;
- fields that Go's `omitempty` would leave out of JSON are left out here too: upstream's clients write every field that
  is no pointer, empty or not;
- types that have a JSON form of their own are in `protobuf_special`.

Unknown fields are skipped; a field that comes twice counts by its last value, messages are merged. Text must be UTF-8.
"""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources as package_data
from typing import Any

import orjson

from apiserver.api.protobuf_names import drops_zero, is_inline, json_name
from apiserver.api.protobuf_wire import FIXED64, LENGTH, VARINT, Malformed, fixed, signed, skip, span, varint

DEEPEST = 120
"""Levels of messages within messages; each is at least one level of JSON, and our stack is not endless."""

Obj = dict[str, Any]
Read = Callable[[bytes, int, int, int], Any]
"""(data, start, end, depth) → the JSON value of a length-delimited field; None leaves the field out."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    wire: int
    number: Callable[[int], Any] | None
    """Makes the value of a varint."""
    read: Read | None
    repeated: bool = False
    inline: bool = False
    is_map: bool = False
    drops_zero: bool = False


class Message:
    """A compiled message type."""

    def __init__(self, name: str, fields: dict[int, Field]) -> None:
        self.name = name
        self.fields = fields

    def read(self, data: bytes, at: int, end: int, depth: int, into: Obj | None = None) -> Obj:
        """The message between these offsets, merged into an object where one is given. Raises Malformed."""
        if depth > DEEPEST:
            raise Malformed("exceeded max depth")
        out: Obj = {} if into is None else into
        while at < end:
            tag, at = varint(data, at, end)
            wire = tag & 7
            field = self.fields.get(tag >> 3)
            if field is None:
                at = self._skip(data, at, end, tag)
            elif wire == LENGTH:
                start, at = span(data, at, end)
                self._put_span(out, field, data, start, at, depth)
            elif wire == field.wire and wire == VARINT:
                value, at = varint(data, at, end)
                _put(out, field, field.number(value) if field.number else value)
            elif wire == field.wire and wire == FIXED64:
                start, at = at, fixed(at, end, 8)
                _put(out, field, _double(data, start))
            else:
                raise self._wrong_wire(wire, field)
        return out

    def _skip(self, data: bytes, at: int, end: int, tag: int) -> int:
        number, wire = tag >> 3, tag & 7
        if number == 0 or number >> 29:
            raise Malformed(f"proto: {self.name}: illegal tag {number} (wire type {wire})")
        if wire == 4:
            raise Malformed(f"proto: {self.name}: wiretype end group for non-group")
        return skip(data, at, end, wire)

    def _wrong_wire(self, wire: int, field: Field) -> Malformed:
        return Malformed(f"proto: wrong wireType = {wire} for field {field.name[:1].upper()}{field.name[1:]}")

    def _put_span(self, out: Obj, field: Field, data: bytes, start: int, end: int, depth: int) -> None:
        if field.read is None:
            if not (field.repeated and field.number):
                raise self._wrong_wire(LENGTH, field)
            _put_packed(out, field, data, start, end)
        elif field.is_map:
            key, value = field.read(data, start, end, depth)
            out.setdefault(field.name, {})[key] = value
        elif isinstance(field.read, Nested):
            _put_message(out, field, field.read, data, start, end, depth)
        else:
            _put(out, field, field.read(data, start, end, depth))


class Nested:
    """Reads a message that is a field of another one; compiled when it is first met."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, data: bytes, at: int, end: int, depth: int) -> Obj:
        return message(self.name).read(data, at, end, depth + 1)


def _put(out: Obj, field: Field, value: Any) -> None:
    if field.repeated:
        out.setdefault(field.name, []).append(value)
    elif value is None or (field.drops_zero and not value):
        out.pop(field.name, None)
    else:
        out[field.name] = value


def _put_packed(out: Obj, field: Field, data: bytes, at: int, end: int) -> None:
    while at < end:
        value, at = varint(data, at, end)
        _put(out, field, field.number(value) if field.number else value)


def _put_message(out: Obj, field: Field, read: Nested, data: bytes, at: int, end: int, depth: int) -> None:
    if field.repeated:
        out.setdefault(field.name, []).append(read(data, at, end, depth))
        return
    target = out if field.inline else out.setdefault(field.name, {})
    message(read.name).read(data, at, end, depth + 1, target)


def _double(data: bytes, at: int) -> float:
    value: float = struct.unpack_from("<d", data, at)[0]
    if not math.isfinite(value):
        raise Malformed(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def text(data: bytes, at: int, end: int, depth: int = 0) -> str:
    try:
        return data[at:end].decode()
    except UnicodeDecodeError as err:
        raise Malformed("proto: string field contains invalid UTF-8") from err


def _bytes(data: bytes, at: int, end: int, depth: int) -> str:
    return binascii.b2a_base64(data[at:end], newline=False).decode()


_NUMBERS: dict[str, Callable[[int], Any]] = {
    "bool": bool,
    "int32": lambda value: signed(value, 32),
    "int64": lambda value: signed(value, 64),
}
_ZEROS: dict[str, Any] = {"bool": False, "int32": 0, "int64": 0, "double": 0, "string": "", "bytes": ""}


@cache
def definitions() -> dict[str, dict[str, list[str]]]:
    """Message → field number → [name, type]."""
    raw = package_data.files("apiserver.api").joinpath("data/protobuf-1.36.json").read_bytes()
    found: dict[str, dict[str, list[str]]] = orjson.loads(raw)
    return found


@cache
def message(name: str) -> Message:
    """Raises KeyError for a message that upstream does not have."""
    fields = {int(n): _field(name, told, kind) for n, (told, kind) in definitions()[name].items()}
    return Message(name.rpartition(".")[2], fields)


def _field(owner: str, told: str, kind: str) -> Field:
    name = json_name(owner, told)
    if kind.startswith("map<"):
        return Field(name, LENGTH, None, _map_entry(kind[4:-1].partition(",")[2]), is_map=True)
    repeated, kind = kind.startswith("[]"), kind.removeprefix("[]")
    drops = not repeated and drops_zero(owner, name, kind)
    if kind in _NUMBERS:
        return Field(name, VARINT, _NUMBERS[kind], None, repeated, drops_zero=drops)
    if kind == "double":
        return Field(name, FIXED64, None, None, repeated, drops_zero=drops)
    inline = not repeated and is_inline(owner, name, kind)
    return Field(name, LENGTH, None, reader(kind), repeated, inline, drops_zero=drops)


def reader(kind: str) -> Read:
    """Reads one length-delimited value of this type."""
    from apiserver.api.protobuf_special import SPECIAL

    if kind == "string":
        return text
    if kind == "bytes":
        return _bytes
    return SPECIAL.get(kind) or Nested(kind)


def _map_entry(kind: str) -> Read:
    """Reads one entry as (key, value). Keys are text everywhere."""
    read = reader(kind)

    def entry(data: bytes, at: int, end: int, depth: int) -> tuple[str, Any]:
        key, value = "", None
        while at < end:
            tag, at = varint(data, at, end)
            if tag == (1 << 3 | LENGTH):
                start, at = span(data, at, end)
                key = text(data, start, at)
            elif tag == (2 << 3 | LENGTH):
                start, at = span(data, at, end)
                value = read(data, start, at, depth)
            else:
                at = skip(data, at, end, tag & 7)
        return key, read(b"", 0, 0, depth) if value is None else value

    return entry
