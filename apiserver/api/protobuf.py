"""Protobuf bodies: `k8s\\0`, then a `runtime.Unknown` that says the kind and holds the object's message.

kubectl sends these from every `create KIND`, and client-go's typed clients always do. Raises NotProtobuf for bytes
that can't be read, whatever they are; nothing is allocated for a length that the bytes do not bear out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.api.jsondecode import NotJSON, refuse_deep
from apiserver.api.protobuf_messages import definitions, message
from apiserver.api.protobuf_special import text
from apiserver.api.protobuf_wire import LENGTH, Malformed, fields

PREFIX = b"k8s\0"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_TYPE_META = "io.k8s.apimachinery.pkg.runtime.TypeMeta"


class NotProtobuf(ValueError):
    """The bytes can't be read; the message is that of upstream's decoder."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around the object."""

    api_version: str
    kind: str
    raw: bytes


def open_envelope(body: bytes) -> Envelope:
    """Raises NotProtobuf."""
    if not body:
        raise NotProtobuf("empty data")
    if not body.startswith(PREFIX):
        numbers = " ".join(str(byte) for byte in PREFIX)
        raise NotProtobuf(f"provided data does not appear to be a protobuf message, expected prefix [{numbers}]")
    if len(body) == len(PREFIX):
        raise NotProtobuf("empty body")
    try:
        return _envelope(body)
    except Malformed as err:
        raise NotProtobuf(str(err)) from err


def _envelope(body: bytes) -> Envelope:
    """The fields of `runtime.Unknown`: 1 the kind, 2 the object, 3 and 4 how that is encoded."""
    found = {1: (0, 0), 2: (0, 0), 3: (0, 0), 4: (0, 0)}
    for number, wire, start, stop in fields(body, len(PREFIX), len(body)):
        if number in found and wire != LENGTH:
            raise Malformed(f"proto: wrong wireType = {wire} for field {number}")
        found[number] = (start, stop)
    encoding, content_type = text(body, *found[3]), text(body, *found[4])
    if encoding or content_type not in ("", MEDIA_TYPE):
        raise Malformed("the object within the body must be protobuf, without a content encoding")
    meta = message(_TYPE_META).read(body, *found[1], depth=0)
    return Envelope(meta.get("apiVersion", ""), meta.get("kind", ""), body[slice(*found[2])])


def decode_message(definition: str, raw: bytes) -> dict[str, Any]:
    """The message as JSON, without apiVersion and kind. Raises NotProtobuf."""
    if definition not in definitions():
        raise NotProtobuf(f"{definition} does not implement the protobuf marshalling interface")
    try:
        obj = message(definition).read(raw, 0, len(raw), 0)
        refuse_deep(obj)
    except (Malformed, NotJSON) as err:
        raise NotProtobuf(str(err)) from err
    return obj
