"""One object in the form that the client asked for: itself, as a Table row, or its metadata alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.api import table
from apiserver.rest.http import JSON, Response, json_response

if TYPE_CHECKING:
    from apiserver.rest.call import Call
    from apiserver.rest.records import Current

Obj = dict[str, Any]


def respond(call: Call, current: Current, code: int) -> Response:
    accepted = call.accepted
    if accepted.form == "object" and not accepted.yaml:
        return Response(current.json, code, JSON)
    document = orjson.loads(current.json)
    if accepted.form == "Table" and document.get("kind") != "Status":
        document = as_table(call, [document], {"resourceVersion": document["metadata"].get("resourceVersion", "")})
    elif accepted.form == "PartialObjectMetadata" and document.get("kind") != "Status":
        document = table.partial_object_metadata(document)
    return json_response(document, status=code, as_yaml=accepted.yaml)


def as_table(call: Call, objects: list[Obj], list_meta: Obj) -> Obj:
    """`includeObject` says what each row carries; metadata where it is absent."""
    include = call.request.query.text("includeObject") or "Metadata"
    return table.table(call.endpoint.rules, objects, now=datetime.now(UTC), include_object=include, list_meta=list_meta)


def list_document(call: Call, objects: list[Obj], meta: Obj) -> Obj:
    """A list of objects in the form that the client asked for."""
    form = call.accepted.form
    if form == "Table":
        return as_table(call, objects, meta)
    if form in ("PartialObjectMetadata", "PartialObjectMetadataList"):
        return {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "items": [table.partial_object_metadata(o) for o in objects],
        }
    return {
        "kind": f"{call.endpoint.kind}List",
        "apiVersion": call.endpoint.api_version,
        "metadata": meta,
        "items": objects,
    }
