"""Objects in the form that the client asked for: themselves, Table rows, or their metadata alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.api import table
from apiserver.api.fielderrors import invalid_value
from apiserver.api.status import BadRequest, NotAcceptable
from apiserver.rest.http import Response

if TYPE_CHECKING:
    from apiserver.rest.call import Call
    from apiserver.rest.records import Current

Obj = dict[str, Any]

_INCLUDES = ("", "Metadata", "Object", "None")


def respond(call: Call, current: Current, code: int) -> Response:
    """One object. A Status stays what it is."""
    form = call.accepted.form
    if form == "object":
        return Response(current.json, code)
    document = orjson.loads(current.json)
    if document.get("kind") != "Status":
        document = _transformed(call, document)
    return Response(orjson.dumps(document), code)


def _transformed(call: Call, obj: Obj) -> Obj:
    match call.accepted.form:
        case "Table":
            return as_table(call, [obj], {"resourceVersion": obj["metadata"].get("resourceVersion", "")})
        case "PartialObjectMetadata":
            return table.partial_object_metadata(obj)
    raise NotAcceptable("you requested PartialObjectMetadataList, but the requested object is not a list")


def as_table(call: Call, objects: list[Obj], list_meta: Obj) -> Obj:
    include = included(call)
    return table.table(call.endpoint.rules, objects, now=datetime.now(UTC), include_object=include, list_meta=list_meta)


def included(call: Call) -> str:
    """What each row of a Table carries: metadata where the client does not say. Raises BadRequest."""
    asked = call.request.query.text("includeObject")
    if asked not in _INCLUDES:
        problem = invalid_value("includeObject", asked, "must be 'Metadata', 'Object', 'None', or empty")
        raise BadRequest(f"Unable to convert to Table as requested: {problem}")
    return asked or "Metadata"


def list_document(call: Call, objects: list[Obj], meta: Obj) -> Obj:
    """A list of objects in the form that the client asked for."""
    match call.accepted.form:
        case "Table":
            return as_table(call, objects, meta)
        case "PartialObjectMetadata":
            raise NotAcceptable("you requested PartialObjectMetadata, but the requested object is a list")
        case "PartialObjectMetadataList":
            items = [table.partial_object_metadata(o) for o in objects]
            return _list("PartialObjectMetadataList", table.META_API_VERSION, meta, items)
    return _list(f"{call.endpoint.kind}List", call.endpoint.api_version, meta, objects)


def _list(kind: str, api_version: str, meta: Obj, items: list[Obj]) -> Obj:
    return {"kind": kind, "apiVersion": api_version, "metadata": meta, "items": items}
