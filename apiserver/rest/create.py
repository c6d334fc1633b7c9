"""POST: decode → default → admit → prepare → validate → commit."""

from __future__ import annotations

import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from apiserver.admission import Attributes
from apiserver.api import meta, status
from apiserver.rest import strategy
from apiserver.rest.call import Call
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.http import Response
from apiserver.rest.records import Changed, Current, Records

Obj = dict[str, Any]

_NAME_TRIES = 8
"""How often a generated name that is taken is made again (upstream: `maxNameGenerationCreateAttempts`)."""


async def create(records: Records, call: Call) -> Response:
    obj = call.decode()
    return call.answer(await create_object(records, call, call.endpoint, obj), code=201)


async def create_object(records: Records, call: Call, endpoint: Endpoint, obj: Obj, *, name: str = "") -> Current:
    """Store a new object. Raises AlreadyExists, Invalid, Forbidden and what `Records.commit` raises."""
    strategy.place(endpoint, obj, call.namespace, name)
    now = datetime.now(UTC)
    strategy.fill_new(endpoint, obj, uid=str(uuid.uuid4()), now=now)
    metadata = obj["metadata"]
    generated = not metadata.get("name") and bool(metadata.get("generateName"))
    for attempt in range(_NAME_TRIES):
        if generated:
            metadata["name"] = meta.generate_name(metadata["generateName"], secrets.choice)
        if attempt == 0:
            await _prepare(call, endpoint, obj)
        try:
            return await _store(records, call, endpoint, obj)
        except Changed:
            if not generated:
                break
    raise status.already_exists(endpoint.resource.plural, endpoint.resource.group, metadata["name"])


async def _prepare(call: Call, endpoint: Endpoint, obj: Obj) -> None:
    rules = endpoint.rules
    rules.default(obj)
    metadata = obj["metadata"]
    await call.admission.admit(
        Attributes(
            operation="CREATE",
            endpoint=endpoint,
            subresource="",
            namespace=metadata.get("namespace", ""),
            name=metadata.get("name", ""),
            user=call.user,
            obj=obj,
        )
    )
    rules.prepare_create(obj)
    strategy.check_new(endpoint, obj)


async def _store(records: Records, call: Call, endpoint: Endpoint, obj: Obj) -> Current:
    metadata = obj["metadata"]
    if call.dry_run():
        if await records.find(endpoint, metadata.get("namespace", ""), metadata["name"]):
            raise Changed
        return Current.unsaved(obj)
    return await records.commit(endpoint, obj, change="ADDED", expected_rv=0, actor=call.actor)
