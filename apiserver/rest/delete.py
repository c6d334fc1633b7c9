"""DELETE of one object and of collections: preconditions, grace, finalizers, propagation policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from apiserver.admission import Attributes
from apiserver.api import status
from apiserver.api.decode import decode_options
from apiserver.cache import Cached
from apiserver.rest.call import Call
from apiserver.rest.deletion import DeleteOptions, begin_deletion, check_preconditions
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.http import Response
from apiserver.rest.options import delete_errors, invalid_delete
from apiserver.rest.records import Changed, Current, Records

Obj = dict[str, Any]

_ANSWERED_WITH_OBJECT = frozenset(
    {"pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "podtemplates",
     "resourcequotas", "namespaces"}
)  # fmt: skip
"""Resources whose DELETE answers the removed object; the others answer a Status (upstream: ReturnDeletedObject)."""
_TRIES = 20
_AT_ONCE = 32


def options_of(call: Call) -> DeleteOptions:
    """The body's DeleteOptions, else the query's. Raises BadRequest and Invalid.

    A dry run counts from either: upstream deletes where the body does not repeat it.
    """
    query = call.request.query
    given = decode_options(call.request.body, call.headers.get("content-type", "application/json"))
    if not call.request.body:
        given = {
            "gracePeriodSeconds": query.integer("gracePeriodSeconds"),
            "propagationPolicy": query.text("propagationPolicy") if "propagationPolicy" in query else None,
            "orphanDependents": query.flag("orphanDependents"),
        }
    return read_options({**given, "dryRun": [*(given.get("dryRun") or ()), *query.all("dryRun")]})


def read_options(given: Obj) -> DeleteOptions:
    """Raises Invalid."""
    policy, orphan = given.get("propagationPolicy"), given.get("orphanDependents")
    dry_run = given.get("dryRun") or []
    errors = delete_errors(orphan=orphan, policy=policy, dry_run=dry_run)
    if errors:
        raise invalid_delete(errors)
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    preconditions = given.get("preconditions") or {}
    return DeleteOptions(
        grace_period_seconds=given.get("gracePeriodSeconds"),
        propagation_policy=policy or "",
        waits_for_dependents=orphan is False,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(dry_run),
    )


async def delete(records: Records, call: Call) -> Response:
    options = options_of(call)
    current, removed = await delete_object(records, call, call.endpoint, call.name, options)
    code = 202 if options.waits_for_dependents and not removed else 200
    if removed and call.endpoint.resource.plural not in _ANSWERED_WITH_OBJECT:
        return call.answer_document(_success(call.endpoint, current.parse()))
    return call.answer(current, code=code)


def _success(endpoint: Endpoint, obj: Obj) -> Obj:
    details = {
        "name": obj["metadata"]["name"],
        "group": endpoint.resource.group,
        "kind": endpoint.resource.plural,
        "uid": obj["metadata"]["uid"],
    }
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v},
    }


async def delete_object(
    records: Records, call: Call, endpoint: Endpoint, name: str, options: DeleteOptions
) -> tuple[Current, bool]:
    """(the object as it is now or last was, whether it is gone). Raises NotFound, Conflict, Forbidden."""
    for _ in range(_TRIES):
        current = await records.get(endpoint, call.namespace, name, even_unreadable=True)
        obj = current.parse()
        check_preconditions(endpoint, obj, options)
        await _admit(call, endpoint, name, obj)
        deletion = begin_deletion(endpoint, obj, options, datetime.now(UTC))
        if not deletion.changed:
            return current, False
        del obj["metadata"]["resourceVersion"]
        if options.dry_run:
            return Current.unsaved(obj, rv=current.rv), deletion.remove
        try:
            written = await records.commit(
                endpoint,
                obj,
                change="DELETED" if deletion.remove else "MODIFIED",
                expected_rv=current.rv,
                actor=call.actor,
            )
        except Changed:
            continue
        return written, deletion.remove
    raise status.conflict(endpoint.resource.plural, endpoint.resource.group, name, status.MODIFIED_SINCE)


async def _admit(call: Call, endpoint: Endpoint, name: str, old: Obj) -> None:
    await call.admission.admit(
        Attributes(
            operation="DELETE",
            endpoint=endpoint,
            subresource="",
            namespace=call.namespace,
            name=name,
            user=call.user,
            obj=None,
            old=old,
        )
    )


async def delete_all(records: Records, call: Call, objects: Sequence[Cached], options: DeleteOptions) -> None:
    """Delete what a list of the same selectors has shown; objects that vanish meanwhile are not missed. Raises what
    deleting one of them raises, and then leaves the rest as it is."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> None:
        async with gate:
            try:
                await delete_object(records, call, call.endpoint, name, options)
            except status.NotFound:
                return

    try:
        async with asyncio.TaskGroup() as group:
            for cached in objects:
                group.create_task(one(cached.key.partition("/")[2]), name="delete-one")
    except* status.StatusError as errors:
        raise errors.exceptions[0] from errors
