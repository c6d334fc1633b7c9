"""PATCH: JSON patch, merge patch and strategic merge patch on the served version of an object.

Server-side apply (`application/apply-patch+yaml`) is not served yet and is refused with 415, as are unknown types.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.api import gotext, jsondecode, status, strictness
from apiserver.api.decode import check_patched
from apiserver.api.fielderrors import invalid, invalid_value
from apiserver.api.patch import json_patch, merge, strategic
from apiserver.api.schema_gotypes import json_value
from apiserver.rest import strategy
from apiserver.rest.call import Call
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.http import Response
from apiserver.rest.records import Current, Records
from apiserver.rest.update import MAIN, Part, change

Obj = dict[str, Any]
Apply = Callable[[Obj], Obj]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_SERVED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
_UNSUPPORTED = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(_SERVED)


async def patch(records: Records, call: Call, part: Part = MAIN) -> Response:
    patcher = Patcher.of(call, call.endpoint)

    def build(current: Current) -> Obj:
        obj = patcher.apply(current.parse())
        strategy.place(call.endpoint, obj, call.namespace)
        strategy.check_name(obj, call.name)
        return obj

    current = await change(records, call, call.endpoint, call.name, build, part=part)
    call.warnings += patcher.warnings
    return call.answer(current)


@dataclass(slots=True)
class Patcher:
    """The patch of a request: applied to one version of an object after the other until one can be committed."""

    target: Endpoint
    """What the patched document is held against: the object's own kind, or Scale."""
    mode: str
    patch: Apply
    repeated: list[str]
    """Complaints about fields that the patch has twice."""
    shown: str | None
    """What errors quote: a strategic patch as Go prints it; None for the patched document."""
    warnings: list[str] = field(default_factory=list)
    """Of the last application."""

    @classmethod
    def of(cls, call: Call, target: Endpoint) -> Patcher:
        """Raises UnsupportedMediaType, BadRequest and Invalid."""
        media = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media not in _SERVED:
            raise status.UnsupportedMediaType(_UNSUPPORTED)
        call.check_options("PatchOptions")
        document = _document(call.request.body, media)
        shown = gotext.value_text(document) if media == STRATEGIC_PATCH else None
        return cls(
            target, call.validation_mode, _application(media, document, target), _repeated(call, document), shown
        )

    def apply(self, obj: Obj) -> Obj:
        """Raises BadRequest and Invalid."""
        patched = self.patch(obj)
        shown = self.shown
        if shown is None and self.mode == "strict":
            shown = orjson.dumps(patched).decode()
        checked = check_patched(
            patched, resource=self.target.resource, schema=self.target.schema, mode=self.mode, shown=shown
        )
        if self.repeated and self.mode == "strict":
            raise invalid("", "", "", [invalid_value("patch", shown, strictness.error(self.repeated, []))])
        self.warnings = [*self.repeated, *checked.warnings]
        return checked.obj


def _document(body: bytes, media: str) -> Any:
    """Raises BadRequest with the words of Go's decoder."""
    told = "" if media == STRATEGIC_PATCH else "error decoding patch: "
    wanted, go_type = (list, "[]handlers.jsonPatchOp") if media == JSON_PATCH else (dict, "map[string]interface {}")
    try:
        document = jsondecode.decode(body)
    except jsondecode.NotJSON as err:
        raise status.BadRequest(f"{told}{err}") from err
    if document is None:
        return wanted()
    if not isinstance(document, wanted):
        found = json_value(document)
        raise status.BadRequest(f"{told}json: cannot unmarshal {found} into Go value of type {go_type}")
    return document


def _application(media: str, document: Any, target: Endpoint) -> Apply:
    if media == JSON_PATCH:
        return lambda obj: json_patch.apply(obj, document)
    if media == MERGE_PATCH:
        return lambda obj: merge.apply(obj, document)
    return lambda obj: strategic.apply(obj, document, target.schema)


def _repeated(call: Call, document: Any) -> list[str]:
    body = call.request.body
    if call.validation_mode == "ignore" or not strictness.has_duplicates(body, orjson.dumps(document)):
        return []
    told = "json patch " if isinstance(document, list) else ""
    return [told + complaint for complaint in strictness.complaints(body, None)]
