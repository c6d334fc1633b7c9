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
from apiserver.rest.call import Call
from apiserver.rest.http import JSON

Obj = dict[str, Any]
Encode = Callable[[str, bytes], bytes]


@dataclass(frozen=True, slots=True)
class Form:
    """`encode` (type, object bytes) → frame without its newline; None keeps the stream's own frame."""

    key: str
    encode: Encode | None
    content_type: bytes = JSON


def form_of(call: Call) -> Form:
    endpoint = call.endpoint
    rules = endpoint.rules
    version = endpoint.api_version if endpoint.converted else ""
    form = call.accepted.form
    if form == "object":
        if not endpoint.converted:
            return Form("", None)
        return Form(f"v:{version}", lambda kind, raw: _frame(kind, endpoint.from_storage(orjson.loads(raw))))
    if form == "Table":
        include = call.request.query.text("includeObject") or "Metadata"

        def rows(kind: str, raw: bytes) -> bytes:
            obj = endpoint.from_storage(orjson.loads(raw))
            meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
            made = table.table(rules, [obj], now=datetime.now(UTC), include_object=include, list_meta=meta)
            return _frame(kind, made)

        return Form(f"table:{include}:{version}", rows)
    return Form(
        "metadata",
        lambda kind, raw: _frame(kind, table.partial_object_metadata(orjson.loads(raw))),
    )


def _frame(kind: str, obj: Obj) -> bytes:
    return b'{"type":"%b","object":%b}' % (kind.encode(), orjson.dumps(obj))
