"""Protobuf types whose JSON is not the message's own shape: times, quantities, raw JSON, lists that are messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.api import jsondecode
from apiserver.api.protobuf_wire import LENGTH, VARINT, Malformed, fields, signed
from apiserver.api.schema import (
    FIELDS_V1,
    INT_OR_STRING,
    JSON,
    MICRO_TIME,
    PROPS_OR_ARRAY,
    PROPS_OR_BOOL,
    PROPS_OR_STRINGS,
    QUANTITY,
    RAW_EXTENSION,
    TIME,
)

Read = Callable[[bytes, int, int, int], Any]
"""(data, start, end, depth) → the JSON value of a length-delimited field; None leaves the field out."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(data: bytes, at: int, end: int, depth: int = 0) -> str:
    try:
        return data[at:end].decode()
    except UnicodeDecodeError as err:
        raise Malformed("proto: string field contains invalid UTF-8") from err


def _small(data: bytes, at: int, end: int, wires: tuple[int, ...]) -> dict[int, tuple[int, int]]:
    """The fields 1, 2, … of a message that has few: number → (value, end). Others are skipped."""
    found = {}
    for number, wire, value, stop in fields(data, at, end):
        if number > len(wires):
            continue
        if wire != wires[number - 1]:
            raise Malformed(f"proto: wrong wireType = {wire} for field {number}")
        found[number] = (value, stop)
    return found


def _moment(data: bytes, at: int, end: int) -> datetime | None:
    """No bytes are Go's zero time."""
    if at == end:
        return None
    found = _small(data, at, end, (VARINT, VARINT))
    seconds, nanos = (signed(found.get(i, (0, 0))[0], bits) for i, bits in ((1, 64), (2, 32)))
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError as err:
        raise Malformed("Time.MarshalJSON: year outside of range [0,9999]") from err


def _time(data: bytes, at: int, end: int, depth: int) -> str | None:
    moment = _moment(data, at, end)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _micro_time(data: bytes, at: int, end: int, depth: int) -> str | None:
    moment = _moment(data, at, end)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quantity(data: bytes, at: int, end: int, depth: int) -> str:
    """Its text; the schema check judges and rewrites it."""
    found = _small(data, at, end, (LENGTH,)).get(1)
    return text(data, *found) if found else "0"


def _int_or_string(data: bytes, at: int, end: int, depth: int) -> int | str:
    found = _small(data, at, end, (VARINT, VARINT, LENGTH))
    if found.get(1, (0, 0))[0]:
        return text(data, *found[3]) if 3 in found else ""
    return signed(found.get(2, (0, 0))[0], 32)


def _raw_json(data: bytes, at: int, end: int, depth: int) -> Any:
    """A message that wraps the bytes of a JSON document."""
    found = _small(data, at, end, (LENGTH,)).get(1, (0, 0))
    raw = data[slice(*found)]
    if not raw:
        return None
    try:
        return jsondecode.decode(raw)
    except jsondecode.NotJSON as err:
        raise Malformed(str(err)) from err


def _items(data: bytes, at: int, end: int, depth: int) -> list[str]:
    """A list of texts that is a message of its own."""
    items = []
    for number, wire, value, stop in fields(data, at, end):
        if number == 1 and wire != LENGTH:
            raise Malformed(f"proto: wrong wireType = {wire} for field Items")
        if number == 1:
            items.append(text(data, value, stop))
    return items


SPECIAL: dict[str, Read] = {
    TIME: _time,
    MICRO_TIME: _micro_time,
    QUANTITY: _quantity,
    INT_OR_STRING: _int_or_string,
    RAW_EXTENSION: _raw_json,
    FIELDS_V1: _raw_json,
    JSON: _raw_json,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Verbs": _items,
    "io.k8s.api.authentication.v1.ExtraValue": _items,
    "io.k8s.api.authorization.v1.ExtraValue": _items,
    "io.k8s.api.certificates.v1.ExtraValue": _items,
}
UNIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    PROPS_OR_ARRAY: lambda read: read.get("jSONSchemas") or read.get("schema"),
    PROPS_OR_BOOL: lambda read: read["schema"] if "schema" in read else read.get("allows", False),
    PROPS_OR_STRINGS: lambda read: read.get("property") or read.get("schema"),
}
"""What JSON has for one of several things: made from the message as it stands."""
