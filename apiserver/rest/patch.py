"""PATCH: JSON patch, merge patch and strategic merge patch on the served version of an object.

Server-side apply (`application/apply-patch+yaml`) is not served yet and is refused with 415, as are unknown types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from apiserver.api import status
from apiserver.api.decode import check_patched
from apiserver.api.patch import json_patch, merge, strategic
from apiserver.api.schema import Schema
from apiserver.rest.call import Call
from apiserver.rest.http import Response
from apiserver.rest.records import Current, Records
from apiserver.rest.update import MAIN, Part, change

Obj = dict[str, Any]
Apply = Callable[[Obj], Obj]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_SERVED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)


async def patch(records: Records, call: Call, part: Part = MAIN) -> Response:
    apply = applier(call, call.endpoint.schema)
    resource = call.endpoint.resource

    def build(current: Current) -> Obj:
        patched = apply(current.parse())
        if "name" in patched.get("metadata", {}) and patched["metadata"]["name"] != call.name:
            raise status.BadRequest(
                f"the name of the object ({patched['metadata']['name']}) does not match the name on the URL"
                f" ({call.name})"
            )
        checked = check_patched(patched, resource=resource, schema=call.endpoint.schema, mode=call.validation_mode())
        call.warnings[:] = checked.warnings
        return checked.obj

    return call.answer(await change(records, call, call.endpoint, call.name, build, part=part))


def applier(call: Call, schema: Schema) -> Apply:
    """The patch of a request as a function. Raises UnsupportedMediaType and BadRequest."""
    media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media == JSON_PATCH:
        operations = _document(call)
        if not isinstance(operations, list):
            raise status.BadRequest("a JSON patch is a list of operations")
        return lambda obj: json_patch.apply(obj, operations)
    if media not in _SERVED:
        raise status.UnsupportedMediaType(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(_SERVED)
        )
    document = _document(call)
    if not isinstance(document, dict):
        raise status.BadRequest("a merge patch is an object")
    if media == MERGE_PATCH:
        return lambda obj: _object(merge.apply(obj, document))
    return lambda obj: _object(strategic.apply(obj, document, schema))


def _document(call: Call) -> Any:
    body = call.request.body
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as err:
        raise status.BadRequest(f"error decoding patch: {err}") from err


def _object(value: Any) -> Obj:
    if not isinstance(value, dict):
        raise status.BadRequest("the patched document is not an object")
    return value
