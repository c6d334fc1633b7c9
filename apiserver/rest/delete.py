"""DELETE of one object and of collections: preconditions, grace, finalizers, propagation policy."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson

from apiserver.admission import Attributes
from apiserver.api import status
from apiserver.api.decode import decode_options
from apiserver.rest import encode, strategy
from apiserver.rest.call import Call
from apiserver.rest.endpoint import NAMESPACES, Endpoint
from apiserver.rest.http import Response, json_response
from apiserver.rest.records import Changed, Current, Records
from apiserver.rest.strategy import DeleteOptions

Obj = dict[str, Any]

_POLICIES = ("Orphan", "Background", "Foreground")
_ANSWERED_WITH_OBJECT = frozenset(
    {"pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "podtemplates",
     "resourcequotas", "namespaces"}
)  # fmt: skip
"""Resources whose DELETE answers the removed object; the others answer a Status (upstream: ReturnDeletedObject)."""
_TRIES = 20
_AT_ONCE = 32


def options_of(call: Call) -> DeleteOptions:
    """The body's DeleteOptions, else the query's. Raises BadRequest and Invalid."""
    given = decode_options(call.request.body, call.headers.get("content-type", "application/json"))
    query = call.request.query
    if not call.request.body:
        given = {
            "gracePeriodSeconds": query.integer("gracePeriodSeconds"),
            "propagationPolicy": query.text("propagationPolicy"),
            "orphanDependents": query.flag("orphanDependents"),
            "dryRun": query.all("dryRun"),
        }
    policy = given.get("propagationPolicy") or ""
    orphan = given.get("orphanDependents")
    if policy and orphan is not None:
        raise _invalid("propagationPolicy", "orphanDependents and deletionPropagation cannot be both set")
    if policy and policy not in _POLICIES:
        raise _invalid("propagationPolicy", f'"{policy}": supported values: "Background", "Foreground", "Orphan"')
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    dry_run = given.get("dryRun") or []
    if any(v != "All" for v in dry_run):
        raise _invalid("dryRun", f'Unsupported value: "{dry_run[0]}": supported values: "All"')
    preconditions = given.get("preconditions") or {}
    return DeleteOptions(
        grace_period_seconds=given.get("gracePeriodSeconds"),
        propagation_policy=policy,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        dry_run=bool(dry_run) or call.dry_run(),
    )


def _invalid(field: str, detail: str) -> status.Invalid:
    return status.Invalid(
        f'DeleteOptions.meta.k8s.io "" is invalid: {field}: Invalid value: {detail}', group="meta.k8s.io",
        kind="DeleteOptions", causes=[status.Cause("FieldValueInvalid", detail, field)],
    )  # fmt: skip


async def delete(records: Records, call: Call) -> Response:
    options = options_of(call)
    current, removed = await delete_object(records, call, call.endpoint, call.name, options)
    if removed and call.endpoint.resource.plural not in _ANSWERED_WITH_OBJECT:
        return json_response(_success(call.endpoint, current.parse()), as_yaml=call.accepted.yaml)
    return call.answer(current)


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
        current = await records.get(endpoint, call.namespace, name)
        obj = current.parse()
        _check_preconditions(endpoint, obj, options)
        await call.admission.admit(
            Attributes(
                operation="DELETE",
                endpoint=endpoint,
                subresource="",
                namespace=call.namespace,
                name=name,
                user=call.user,
                obj=None,
                old=obj,
            )
        )
        _check_namespace(endpoint, obj)
        before = current.parse()
        deletion = strategy.begin_deletion(endpoint, obj, options, datetime.now(UTC))
        obj["metadata"].pop("resourceVersion", None)
        if options.dry_run:
            return Current.unsaved(obj, rv=current.rv), deletion.remove
        if not deletion.changed and not deletion.remove:
            return current, False
        try:
            written = await records.commit(
                endpoint,
                before if deletion.remove else obj,
                change="DELETED" if deletion.remove else "MODIFIED",
                expected_rv=current.rv,
                actor=call.actor,
            )
        except Changed:
            continue
        return written, deletion.remove
    raise status.conflict(endpoint.resource.plural, endpoint.resource.group, name, status.MODIFIED_SINCE)


def _check_namespace(endpoint: Endpoint, obj: Obj) -> None:
    """Deleting a namespace that is being emptied is answered 409, as upstream does."""
    if (
        endpoint.stored == NAMESPACES
        and obj["metadata"].get("deletionTimestamp")
        and obj.get("spec", {}).get("finalizers")
    ):
        raise status.conflict(
            "namespaces",
            "",
            obj["metadata"]["name"],
            "The system is ensuring all content is removed from this namespace.  Upon completion, this namespace "
            "will automatically be purged by the system.",
        )


def _check_preconditions(endpoint: Endpoint, obj: Obj, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    why = ""
    if options.uid and options.uid != metadata["uid"]:
        why = f"UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
    elif options.resource_version and options.resource_version != metadata["resourceVersion"]:
        why = (
            f"ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
    if why:
        r = endpoint.resource
        raise status.conflict(r.plural, r.group, metadata["name"], f"Precondition failed: {why}")


async def delete_collection(records: Records, call: Call, current: list[bytes], list_meta: Obj) -> Response:
    """Delete what a list of the same selectors shows; objects that vanish meanwhile are not missed."""
    options = options_of(call)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(raw: bytes) -> bytes | None:
        obj = orjson.loads(raw)
        async with gate:
            try:
                done, _ = await delete_object(records, call, call.endpoint, obj["metadata"]["name"], options)
            except status.NotFound:
                return None
        return done.json

    results = await asyncio.gather(*(one(raw) for raw in current))
    items = [r for r in results if r is not None]
    body = encode.list_bytes(f"{call.endpoint.kind}List", call.endpoint.api_version, list_meta, items)
    return Response(body)
