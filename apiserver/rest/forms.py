"""How the changes of a watch are written for a client: as they are, as Table rows, as metadata, in another version.

The plain form is the stream's bytes, untouched. Every other form is made once for all watchers of the same view.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from apiserver.api import table
from apiserver.rest import objectform
from apiserver.rest.call import Call

Obj = dict[str, Any]
Encode = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """`encode` (type, object bytes) → frame without its newline; None keeps the stream's own frame."""

    key: str
    encode: Encode | None
    kind: str
    list_kind: str
    api_version: str


def form_of(call: Call) -> Form:
    """Raises BadRequest for a Table that cannot be made as asked."""
    match call.accepted.form:
        case "Table":
            return _table(call)
        case "object":
            return _plain(call)
    kind = "PartialObjectMetadata"
    return Form("metadata", _metadata_frame, kind, f"{kind}List", table.META_API_VERSION)


def _plain(call: Call) -> Form:
    endpoint = call.endpoint
    version = endpoint.api_version

    def converted(kind: str, raw: bytes) -> bytes:
        return _frame(kind, endpoint.from_storage(orjson.loads(raw)))

    names = (endpoint.kind, f"{endpoint.kind}List", version)
    return Form(f"v:{version}", converted, *names) if endpoint.converted else Form("", None, *names)


def _table(call: Call) -> Form:
    endpoint = call.endpoint
    include = objectform.included(call)

    def rows(kind: str, raw: bytes) -> bytes:
        obj = endpoint.from_storage(orjson.loads(raw))
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        made = table.table(endpoint.rules, [obj], now=datetime.now(UTC), include_object=include, list_meta=meta)
        return _frame(kind, made)

    key = f"table:{include}:{endpoint.api_version if endpoint.converted else ''}"
    return Form(key, rows, "Table", "Table", table.META_API_VERSION)


def _metadata_frame(kind: str, raw: bytes) -> bytes:
    return _frame(kind, table.partial_object_metadata(orjson.loads(raw)))


def _frame(kind: str, obj: Obj) -> bytes:
    return b'{"type":"%b","object":%b}' % (kind.encode(), orjson.dumps(obj))
