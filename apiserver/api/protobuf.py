"""Protobuf bodies: `k8s\\0`, then a `runtime.Unknown` that says the kind and holds the object's message.

kubectl sends these from every `create KIND`, and client-go's typed clients always do. Raises NotProtobuf for bytes
that can't be read, whatever they are; nothing is allocated for a length that the bytes do not bear out.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from typing import Any

from apiserver.api.jsondecode import NotJSON, refuse_deep
from apiserver.api.protobuf_messages import definitions, message
from apiserver.api.protobuf_wire import Malformed

PREFIX = b"k8s\0"
MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_UNKNOWN = "io.k8s.apimachinery.pkg.runtime.Unknown"


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
        unknown = message(_UNKNOWN).read(body, len(PREFIX), len(body), 0)
    except Malformed as err:
        raise NotProtobuf(str(err)) from err
    if unknown.get("contentEncoding") or unknown.get("contentType", MEDIA_TYPE) != MEDIA_TYPE:
        raise NotProtobuf("the object within the body must be protobuf, without a content encoding")
    meta = unknown.get("typeMeta", {})
    return Envelope(meta.get("apiVersion", ""), meta.get("kind", ""), binascii.a2b_base64(unknown.get("raw", "")))


def is_known(definition: str) -> bool:
    """Whether the kind has a protobuf form; kinds of CustomResourceDefinitions have none."""
    return definition in definitions()


def decode_message(definition: str, raw: bytes) -> dict[str, Any]:
    """The message as JSON, without apiVersion and kind. Raises NotProtobuf."""
    try:
        obj = message(definition).read(raw, 0, len(raw), 0)
        refuse_deep(obj)
    except (Malformed, NotJSON) as err:
        raise NotProtobuf(str(err)) from err
    return obj
