"""Request bodies: bytes in, an object that is typed, pruned and of the right kind out; or the 400 that upstream gives.

JSON, YAML and protobuf end in the same form. What upstream calls strict errors (fields that nobody knows, fields given
twice) depend on the mode: `strict` refuses the body, `warn` returns the warnings, `ignore` drops the fields silently.

Lenient where upstream is: a body without kind or apiVersion, or `null`, is taken for an object of the URL's kind.
Of a field that is given twice the last one counts. The result always has apiVersion, kind and, where its kind has it,
metadata. Nothing else is filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from apiserver.api import jsondecode, protobuf, strictness, yamldecode
from apiserver.api.decode_kind import Claim, NotAGroupVersion, claim, other_version, unfit
from apiserver.api.fielderrors import invalid, invalid_value
from apiserver.api.resources import Resource
from apiserver.api.schema import Schema, schema_for
from apiserver.api.schema_check import TypeMismatch, check
from apiserver.api.schema_gotypes import json_value
from apiserver.api.status import BadRequest, Invalid, UnsupportedMediaType

Obj = dict[str, Any]

JSON = "application/json"
YAML = "application/yaml"
MEDIA_TYPES = (JSON, YAML, protobuf.MEDIA_TYPE)
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
_KIND_STRUCT = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
_SHOWN_BYTES = 30


@dataclass(frozen=True, slots=True)
class Decoded:
    """The object, and what the client should be warned of."""

    obj: Obj
    warnings: list[str] = field(default_factory=list)


class _Unreadable(ValueError):
    """Not even the kind of the body can be told; the message is upstream's."""


def decode_object(body: bytes, content_type: str, *, resource: Resource, schema: Schema, mode: str) -> Decoded:
    """The body as an object of the resource's kind. Raises BadRequest and UnsupportedMediaType."""
    media = media_type(content_type)
    try:
        document, repeated = _read(body, media)
        claimed = _claim(document, resource)
    except (_Unreadable, NotAGroupVersion) as err:
        raise _unrecognized(body, str(err), resource) from err
    if claimed is not None:
        _refuse_other_kinds(claimed, resource)
    obj = _unwrapped(document, resource)
    seen = orjson.dumps(obj) if media == JSON and mode != "ignore" else b""
    try:
        checked = check(schema, obj)
    except TypeMismatch as err:
        raise _cannot_be_handled(resource, str(err)) from err
    obj = _completed(checked.obj, resource, schema)
    if mode == "ignore":
        return Decoded(obj)
    complaints = strictness.unknown(checked.unknown)
    if media == JSON and strictness.has_duplicates(body, seen):
        complaints = strictness.complaints(body, schema)
    if (complaints or repeated) and mode == "strict":
        raise _cannot_be_handled(resource, strictness.error(complaints, repeated))
    return Decoded(obj, [*repeated, *complaints])


@lru_cache(maxsize=256)
def media_type(content_type: str) -> str:
    """One of MEDIA_TYPES; JSON where the client says nothing. Raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower() or JSON
    if media not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(MEDIA_TYPES)
        )
    return media


def check_patched(obj: Any, *, resource: Resource, schema: Schema, mode: str, shown: str | None = None) -> Decoded:
    """A patched object, held against the schema like a body. Raises Invalid: upstream answers 422 here, not 400.

    `shown` is what the error quotes; by default the patched object.
    """
    quoted = orjson.dumps(obj).decode() if shown is None else shown
    try:
        claimed = _claim(obj, resource)
        why = claimed and (unfit(claimed, resource) or other_version(claimed, resource))
        if why:
            raise _invalid_patch(quoted, why)
        checked = check(schema, obj)
    except (_Unreadable, NotAGroupVersion, TypeMismatch) as err:
        raise _invalid_patch(quoted, str(err)) from err
    complaints = strictness.unknown(checked.unknown)
    if complaints and mode == "strict":
        raise _invalid_patch(quoted, strictness.error(complaints, []))
    return Decoded(_completed(checked.obj, resource, schema), complaints if mode == "warn" else [])


def decode_options(body: bytes, content_type: str) -> Obj:
    """The DeleteOptions of a DELETE; empty where there is no body. Raises BadRequest and UnsupportedMediaType.

    Any group's DeleteOptions will do, and what is unknown is ignored, as upstream does.
    """
    if not body:
        return {}
    try:
        document, _ = _read(body, media_type(content_type))
        if isinstance(document, protobuf.Envelope):
            kind, document = document.kind, protobuf.decode_message(_DELETE_OPTIONS, document.raw)
        else:
            kind = _claimed(document)[1]
        if kind not in ("", "DeleteOptions"):
            raise _Unreadable("decoded object cannot be converted to DeleteOptions")
        return check(schema_for(_DELETE_OPTIONS), document, unknown="ignore").obj
    except (_Unreadable, TypeMismatch, protobuf.NotProtobuf) as err:
        raise BadRequest(str(err)) from err


def _read(body: bytes, media: str) -> tuple[Any, list[str]]:
    """The document, and the keys that YAML has twice. A protobuf body is only opened."""
    try:
        if media == JSON:
            return _object(jsondecode.decode(body)), []
        if media == YAML:
            document, repeated = yamldecode.decode(body)
            return _object(document), repeated
        return protobuf.open_envelope(body), []
    except jsondecode.NotJSON as err:
        raise _Unreadable(f"couldn't get version/kind; json parse error: {err}") from err
    except (yamldecode.NotYAML, protobuf.NotProtobuf) as err:
        raise _Unreadable(str(err)) from err


def _object(document: Any) -> Any:
    return {} if document is None else document


def _claim(document: Any, resource: Resource) -> Claim | None:
    """The kind that a document claims; None where it is the resource's own. Raises _Unreadable, NotAGroupVersion."""
    api_version, kind = _claimed(document)
    if api_version == resource.api_version and kind == resource.kind:
        return None
    return claim(api_version, kind, resource)


def _claimed(document: Any) -> tuple[str, str]:
    if isinstance(document, protobuf.Envelope):
        return document.api_version, document.kind
    if not isinstance(document, dict):
        found = TypeMismatch(json_value(document), go_type=_KIND_STRUCT)
        raise _Unreadable(f"couldn't get version/kind; json parse error: {found}")
    told = [document.get(name) for name in ("apiVersion", "kind")]
    for name, value in zip(("apiVersion", "kind"), told, strict=True):
        if value is not None and not isinstance(value, str):
            raise _Unreadable(
                f"couldn't get version/kind; json parse error: json: cannot unmarshal {json_value(value)} into Go "
                f"struct field .{name} of type string"
            )
    return told[0] or "", told[1] or ""


def _unwrapped(document: Any, resource: Resource) -> Any:
    if not isinstance(document, protobuf.Envelope):
        return document
    try:
        return protobuf.decode_message(resource.definition, document.raw)
    except protobuf.NotProtobuf as err:
        raise _cannot_be_handled(resource, str(err)) from err


def _refuse_other_kinds(claimed: Claim, resource: Resource) -> None:
    why = unfit(claimed, resource)
    if why:
        raise BadRequest(_unhandled(claimed.kind, claimed.version, resource, why))
    why = other_version(claimed, resource)
    if why:
        raise BadRequest(why)


def _completed(obj: Obj, resource: Resource, schema: Schema) -> Obj:
    if not (obj.get("kind") and obj.get("apiVersion")):
        obj = {"apiVersion": "", "kind": "", **obj} | {"apiVersion": resource.api_version, "kind": resource.kind}
    if "metadata" not in obj and "metadata" in schema.properties:
        obj["metadata"] = {}
    return obj


def _unhandled(kind: str, version: str, resource: Resource, why: str) -> str:
    return f'{kind} in version "{version}" cannot be handled as a {resource.kind}: {why}'


def _cannot_be_handled(resource: Resource, why: str) -> BadRequest:
    return BadRequest(_unhandled(resource.kind, resource.version, resource, why))


def _unrecognized(body: bytes, why: str, resource: Resource) -> BadRequest:
    told = f"the object provided is unrecognized (must be of type {resource.kind}): {why} ({_summary(body)})"
    return BadRequest(told)


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    start = body[:_SHOWN_BYTES]
    text = start.decode("utf-8", "replace") if start.startswith(b"{") else start.hex()
    return text + " ..." if len(body) > _SHOWN_BYTES else text


def _invalid_patch(quoted: str, why: str) -> Invalid:
    return invalid("", "", "", [invalid_value("patch", quoted, why)])
