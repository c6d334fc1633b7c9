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
    call.check_options("CreateOptions")
    return call.answer(await create_object(records, call, call.endpoint, call.decode()), code=201)


async def create_object(records: Records, call: Call, endpoint: Endpoint, obj: Obj) -> Current:
    """Store a new object. Raises AlreadyExists, Invalid, Forbidden and what `Records.commit` raises."""
    metadata = strategy.place(endpoint, obj, call.namespace)
    call.warnings += strategy.tidy(metadata)
    given_version = strategy.take_version(metadata)
    strategy.fill_new(endpoint, obj, uid=str(uuid.uuid4()), now=datetime.now(UTC))
    generated = not metadata.get("name") and bool(metadata.get("generateName"))
    if generated:
        _generate_name(metadata)
    await _prepare(call, endpoint, obj)
    if given_version:
        raise status.Unknown("resourceVersion should not be set on objects to be created")
    for attempt in range(_NAME_TRIES if generated else 1):
        if attempt:
            _generate_name(metadata)
            endpoint.rules.default(obj)  # a kind may derive more from the name
        try:
            return await _store(records, call, endpoint, obj)
        except Changed:
            continue
    raise await _already_exists(records, endpoint, call.namespace, metadata["name"])


def _generate_name(metadata: Obj) -> None:
    metadata["name"] = meta.generate_name(metadata["generateName"], secrets.choice)


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
    if not call.dry_run:
        return await records.commit(endpoint, obj, change="ADDED", expected_rv=0, actor=call.actor)
    if await records.find(endpoint, metadata.get("namespace", ""), metadata["name"]):
        raise Changed
    return Current.unsaved(obj)


async def _already_exists(records: Records, endpoint: Endpoint, namespace: str, name: str) -> status.AlreadyExists:
    error = status.already_exists(endpoint.resource.plural, endpoint.resource.group, name)
    existing = await records.find(endpoint, namespace, name)
    if existing is not None and existing.parse()["metadata"].get("deletionTimestamp"):
        error.message = f"object is being deleted: {error.message}"
    return error
