"""Protobuf messages of the Kubernetes API as the JSON that the same client would have sent.

Field numbers and types come from `data/protobuf-1.36.json`; each message is compiled at its first use. What differs
from a plain translation:

- structs that Go inlines (a volume's source, a probe's handler) are merged into the object around them;
- fields that Go's `omitempty` would leave out of JSON are left out here too (`protobuf_zeros`);
- types that have a JSON form of their own are in `protobuf_special`.

Unknown fields are skipped; a field that comes twice counts by its last value, messages are merged. Text must be UTF-8.
Raises Malformed for everything else that is wrong.
"""

from __future__ import annotations

import binascii
import math
import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources as package_data
from typing import Any

import orjson

from apiserver.api.protobuf_names import drops_zero, is_inline, json_name
from apiserver.api.protobuf_special import SPECIAL, UNIONS, Read, text
from apiserver.api.protobuf_wire import FIXED64, LENGTH, VARINT, Malformed, fields, signed, varint

DEEPEST = 120
"""Levels of messages within messages; each is at least one level of JSON, and our stack is not endless."""

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    wire: int
    read: Read
    """Makes the value from its bytes; of a varint, from the number in place of the start."""
    repeated: bool = False
    inline: bool = False
    is_map: bool = False
    drops_zero: bool = False


class Message:
    """A compiled message type."""

    def __init__(self, name: str, numbered: dict[int, Field]) -> None:
        self.name = name
        self._fields = numbered

    def read(self, data: bytes, at: int, end: int, depth: int, into: Obj | None = None) -> Obj:
        """The message between these offsets, merged into an object where one is given."""
        if depth > DEEPEST:
            raise Malformed("exceeded max depth")
        out: Obj = {} if into is None else into
        for number, wire, value, stop in fields(data, at, end):
            field = self._fields.get(number)
            if field is None:
                continue
            if wire == field.wire:
                _add(out, field, data, value, stop, depth)
            elif wire == LENGTH and field.repeated and field.wire == VARINT:
                _add_packed(out, field, data, value, stop)
            else:
                raise Malformed(f"proto: wrong wireType = {wire} for field {field.name[:1].upper()}{field.name[1:]}")
        return out


class Nested:
    """Reads a message that is a field of another one; compiled when it is first met."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, data: bytes, at: int, end: int, depth: int, into: Obj | None = None) -> Obj:
        return message(self.name).read(data, at, end, depth + 1, into)


def _add(out: Obj, field: Field, data: bytes, at: int, end: int, depth: int) -> None:
    read, name = field.read, field.name
    if field.repeated:
        out.setdefault(name, []).append(read(data, at, end, depth))
    elif field.is_map:
        key, value = read(data, at, end, depth)
        out.setdefault(name, {})[key] = value
    elif isinstance(read, Nested):
        read(data, at, end, depth, out if field.inline else out.setdefault(name, {}))
    else:
        _set(out, field, read(data, at, end, depth))


def _set(out: Obj, field: Field, value: Any) -> None:
    if value is None or (field.drops_zero and not value):
        out.pop(field.name, None)
    else:
        out[field.name] = value


def _add_packed(out: Obj, field: Field, data: bytes, at: int, end: int) -> None:
    values = out.setdefault(field.name, [])
    while at < end:
        number, at = varint(data, at, end)
        values.append(field.read(data, number, at, 0))


def _double(data: bytes, at: int, end: int, depth: int) -> float:
    value: float = struct.unpack_from("<d", data, at)[0]
    if not math.isfinite(value):
        raise Malformed(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _bytes(data: bytes, at: int, end: int, depth: int) -> str:
    return binascii.b2a_base64(data[at:end], newline=False).decode()


_SCALARS: dict[str, tuple[int, Read]] = {
    "bool": (VARINT, lambda data, value, end, depth: value != 0),
    "int32": (VARINT, lambda data, value, end, depth: signed(value, 32)),
    "int64": (VARINT, lambda data, value, end, depth: signed(value, 64)),
    "double": (FIXED64, _double),
    "string": (LENGTH, text),
    "bytes": (LENGTH, _bytes),
}


@cache
def definitions() -> dict[str, dict[str, list[str]]]:
    """Message → field number → [name, type]."""
    raw = package_data.files("apiserver.api").joinpath("data/protobuf-1.36.json").read_bytes()
    found: dict[str, dict[str, list[str]]] = orjson.loads(raw)
    return found


@cache
def message(name: str) -> Message:
    """Raises KeyError for a message that upstream does not have."""
    return Message(name, {int(n): _field(name, told, kind) for n, (told, kind) in definitions()[name].items()})


def _field(owner: str, told: str, kind: str) -> Field:
    name = json_name(owner, told)
    if kind.startswith("map<"):
        return Field(name, LENGTH, _map_entry(kind[4:-1].partition(",")[2]), is_map=True)
    repeated, kind = kind.startswith("[]"), kind.removeprefix("[]")
    if kind in _SCALARS:
        wire, read = _SCALARS[kind]
        return Field(name, wire, read, repeated, drops_zero=drops_zero(owner, name, kind))
    return Field(name, LENGTH, _reader(kind), repeated, inline=not repeated and is_inline(owner, name))


def _reader(kind: str) -> Read:
    """Reads one length-delimited value that is no scalar."""
    return SPECIAL.get(kind) or (_union(kind) if kind in UNIONS else Nested(kind))


def _union(kind: str) -> Read:
    read, choose = Nested(kind), UNIONS[kind]
    return lambda data, at, end, depth: choose(read(data, at, end, depth))


def _map_entry(kind: str) -> Read:
    """Reads one entry as (key, value). Keys are text everywhere."""
    read = _SCALARS[kind][1] if kind in _SCALARS else _reader(kind)

    def entry(data: bytes, at: int, end: int, depth: int) -> tuple[str, Any]:
        key, found = "", (0, 0)
        for number, wire, start, stop in fields(data, at, end):
            if number <= 2 and wire != LENGTH:
                raise Malformed(f"proto: wrong wireType = {wire} for field {number}")
            if number == 1:
                key = text(data, start, stop)
            elif number == 2:
                found = (start, stop)
        return key, read(data, *found, depth)

    return entry
