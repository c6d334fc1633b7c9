"""Writes protobuf as a Go client does, for tests: the JSON form of a message in, its bytes out.

Field numbers are those of the data file; how fields are called in JSON is told here once more, by other means than in
the decoder: what a message does not have under its own name is looked for in the messages that it inlines.
"""

from __future__ import annotations

import base64
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from apiserver.api.protobuf_messages import definitions
from apiserver.api.resources import REGISTRY

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
RAW = {
    "io.k8s.apimachinery.pkg.runtime.RawExtension",
    META + "FieldsV1",
    EXTENSIONS + "JSON",
}
LISTS = {
    META + "Verbs",
    "io.k8s.api.authentication.v1.ExtraValue",
    "io.k8s.api.authorization.v1.ExtraValue",
    "io.k8s.api.certificates.v1.ExtraValue",
}
KINDS = sorted({r.definition for r in REGISTRY.all()} & set(definitions()))
"""The kinds that are served and have a protobuf form."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = {"schema": "$schema", "ref": "$ref"}


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def sized(number: int, raw: bytes) -> bytes:
    return tag(number, 2) + varint(len(raw)) + raw


def envelope(api_version: str, kind: str, raw: bytes, *, content_type: str = "", encoding: str = "") -> bytes:
    """A body: `k8s\\0` and a runtime.Unknown."""
    meta = sized(1, api_version.encode()) + sized(2, kind.encode())
    return b"k8s\0" + sized(1, meta) + sized(2, raw) + sized(3, encoding.encode()) + sized(4, content_type.encode())


def names_of(message: str) -> dict[str, int]:
    """JSON name, in lower case → field number."""
    own = {}
    for number, (told, _) in definitions()[message].items():
        name = told
        if message == EXTENSIONS + "JSONSchemaProps":
            kebab = "".join(f"-{c.lower()}" if c.isupper() else c for c in told)
            name = _NAMES.get(told) or (kebab if told.startswith("xK") else told)
        own[name.lower()] = int(number)
    return own


def encode(message: str, value: Any) -> bytes:
    """The message's bytes, without a tag."""
    if message == META + "Time":
        return _time(value, "%Y-%m-%dT%H:%M:%SZ")
    if message == META + "MicroTime":
        return _time(value, "%Y-%m-%dT%H:%M:%S.%fZ")
    if message == QUANTITY:
        return sized(1, value.encode())
    if message == INT_OR_STRING:
        kind, number, string = (1, 0, value) if isinstance(value, str) else (0, value, "")
        return tag(1, 0) + varint(kind) + tag(2, 0) + varint(number) + sized(3, string.encode())
    if message in RAW:
        return sized(1, orjson.dumps(value))
    if message in LISTS:
        return b"".join(sized(1, item.encode()) for item in value)
    if message.startswith(EXTENSIONS + "JSONSchemaPropsOr"):
        return _union(message, value)
    return _struct(message, value)


def _time(text: str, layout: str) -> bytes:
    moment = datetime.strptime(text, layout).replace(tzinfo=UTC) - _EPOCH
    seconds, rest = divmod(moment, timedelta(seconds=1))
    return tag(1, 0) + varint(seconds) + tag(2, 0) + varint(rest.microseconds * 1000)


def _union(message: str, value: Any) -> bytes:
    if isinstance(value, bool):
        return tag(1, 0) + varint(value)
    if isinstance(value, list):
        item = definitions()[message]["2"][1].removeprefix("[]")
        return b"".join(sized(2, v.encode() if item == "string" else encode(item, v)) for v in value)
    props = EXTENSIONS + "JSONSchemaProps"
    number = 2 if message.endswith("OrBool") else 1
    return sized(number, encode(props, value))


def _struct(message: str, value: dict[str, Any]) -> bytes:
    names, out, elsewhere = names_of(message), b"", {}
    for name, item in value.items():
        number = names.get(name.lower())
        if number is None:
            elsewhere[name] = item
        else:
            out += _field(number, definitions()[message][str(number)][1], item)
    return out + (_inlined(message, elsewhere) if elsewhere else b"")


def _inlined(message: str, fields: dict[str, Any]) -> bytes:
    """The fields that the message has by way of another one."""
    out = b""
    for number, (_, kind) in definitions()[message].items():
        mine = {k: v for k, v in fields.items() if kind in definitions() and _has(kind, k)}
        if mine:
            out += sized(int(number), encode(kind, mine))
            fields = {k: v for k, v in fields.items() if k not in mine}
    assert not fields, f"{message} has no {fields}"
    return out


def _has(message: str, name: str) -> bool:
    if name.lower() in names_of(message):
        return True
    return any(k in definitions() and k != message and _has_own(k, name) for _, k in definitions()[message].values())


def _has_own(message: str, name: str) -> bool:
    return name.lower() in names_of(message)


def _field(number: int, kind: str, value: Any) -> bytes:
    if kind.startswith("[]"):
        return b"".join(_field(number, kind[2:], item) for item in value)
    if kind.startswith("map<"):
        of = kind[4:-1].partition(",")[2]
        return b"".join(sized(number, sized(1, k.encode()) + _field(2, of, v)) for k, v in value.items())
    if kind in ("bool", "int32", "int64"):
        return tag(number, 0) + varint(int(value))
    if kind == "double":
        return tag(number, 1) + struct.pack("<d", value)
    if kind == "string":
        return sized(number, value.encode())
    return sized(number, base64.b64decode(value) if kind == "bytes" else encode(kind, value))
