"""Protobuf types whose JSON is not the message's own shape: times, quantities, raw JSON, lists that are messages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.api import jsondecode
from apiserver.api.protobuf_messages import Obj, Read, message
from apiserver.api.protobuf_wire import Malformed

_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIX = b"k8s\0"


def _plain(kind: str) -> Callable[[bytes, int, int, int], Obj]:
    """The message as it stands."""

    def read(data: bytes, at: int, end: int, depth: int) -> Obj:
        return message(kind).read(data, at, end, depth + 1)

    return read


def _moment(seconds: int, nanos: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
    except OverflowError as err:
        raise Malformed("Time.MarshalJSON: year outside of range [0,9999]") from err


def _time(data: bytes, at: int, end: int, depth: int) -> str | None:
    """Whole seconds; no bytes are Go's zero time."""
    if at == end:
        return None
    read = message(_META + "Time").read(data, at, end, depth + 1)
    return _moment(read.get("seconds", 0), 0).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _micro_time(data: bytes, at: int, end: int, depth: int) -> str | None:
    if at == end:
        return None
    read = message(_META + "MicroTime").read(data, at, end, depth + 1)
    moment = _moment(read.get("seconds", 0), read.get("nanos", 0))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quantity(data: bytes, at: int, end: int, depth: int) -> str:
    """Its text; the schema check judges and rewrites it."""
    read = message("io.k8s.apimachinery.pkg.api.resource.Quantity").read(data, at, end, depth + 1)
    told: str = read.get("string", "0")
    return told


def _int_or_string(data: bytes, at: int, end: int, depth: int) -> int | str:
    read = message("io.k8s.apimachinery.pkg.util.intstr.IntOrString").read(data, at, end, depth + 1)
    found: int | str = read.get("strVal", "") if read.get("type", 0) else read.get("intVal", 0)
    return found


def _raw_json(kind: str, field: str) -> Read:
    """A message that wraps the bytes of a JSON document."""
    import binascii

    def read(data: bytes, at: int, end: int, depth: int) -> Any:
        wrapped = message(kind).read(data, at, end, depth + 1).get(field, "")
        raw = binascii.a2b_base64(wrapped)
        if not raw:
            return None
        if raw.startswith(_PREFIX):
            raise Malformed("protobuf within protobuf is not served: send JSON there")
        try:
            return jsondecode.decode(raw)
        except jsondecode.NotJSON as err:
            raise Malformed(str(err)) from err

    return read


def _items(kind: str) -> Read:
    """A list that is a message of its own."""

    def read(data: bytes, at: int, end: int, depth: int) -> Any:
        return message(kind).read(data, at, end, depth + 1).get("items", [])

    return read


def _props_or(kind: str, choose: Callable[[Obj], Any]) -> Read:
    def read(data: bytes, at: int, end: int, depth: int) -> Any:
        return choose(message(kind).read(data, at, end, depth + 1))

    return read


SPECIAL: dict[str, Read] = {
    _META + "Time": _time,
    _META + "MicroTime": _micro_time,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _raw_json("io.k8s.apimachinery.pkg.runtime.RawExtension", "raw"),
    _META + "FieldsV1": _raw_json(_META + "FieldsV1", "Raw"),
    _EXTENSIONS + "JSON": _raw_json(_EXTENSIONS + "JSON", "raw"),
    _META + "Verbs": _items(_META + "Verbs"),
    "io.k8s.api.authentication.v1.ExtraValue": _items("io.k8s.api.authentication.v1.ExtraValue"),
    "io.k8s.api.authorization.v1.ExtraValue": _items("io.k8s.api.authorization.v1.ExtraValue"),
    "io.k8s.api.certificates.v1.ExtraValue": _items("io.k8s.api.certificates.v1.ExtraValue"),
    _EXTENSIONS + "JSONSchemaPropsOrArray": _props_or(
        _EXTENSIONS + "JSONSchemaPropsOrArray", lambda read: read.get("jSONSchemas") or read.get("schema")
    ),
    _EXTENSIONS + "JSONSchemaPropsOrBool": _props_or(
        _EXTENSIONS + "JSONSchemaPropsOrBool",
        lambda read: read["schema"] if "schema" in read else read.get("allows", False),
    ),
    _EXTENSIONS + "JSONSchemaPropsOrStringArray": _props_or(
        _EXTENSIONS + "JSONSchemaPropsOrStringArray", lambda read: read.get("property") or read.get("schema")
    ),
}
