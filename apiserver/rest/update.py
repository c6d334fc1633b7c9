"""PUT and PATCH, of objects and of their parts.

Every update is one loop: read the object, let the caller make the new one from it, put back what the caller may not
change, default, admit, validate, and commit against the resourceVersion that was read. When somebody was faster, the
loop starts again, unless the caller named a resourceVersion of its own; then it is told so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.admission import Attributes
from apiserver.api import status
from apiserver.api.fielderrors import FieldError, invalid
from apiserver.rest import strategy
from apiserver.rest.call import Call
from apiserver.rest.create import create_object
from apiserver.rest.deletion import is_finished
from apiserver.rest.endpoint import NAMESPACES, Endpoint
from apiserver.rest.http import Response
from apiserver.rest.records import Changed, Current, Records

Obj = dict[str, Any]
Build = Callable[[Current], Obj]
"""Makes the new object from the present one; called again when somebody was faster."""

_TRIES = 20


@dataclass(frozen=True, slots=True)
class Part:
    """What of an object a request writes to. The main resource writes all but the status."""

    subresource: str
    keep: Callable[[Endpoint, Obj, Obj], None]
    """(endpoint, new, old): put back what this part may not change, in place."""
    prepare: Callable[[Endpoint, Obj, Obj], None]
    validate: Callable[[Endpoint, Obj, Obj], list[FieldError]]


def _keep_status(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    if endpoint.has_status:
        strategy.keep_old(obj, old, "status")
    if endpoint.stored == NAMESPACES:
        strategy.keep_old(obj, old, "spec")  # it holds the finalizers alone


def _prepare_main(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    endpoint.rules.prepare_update(obj, old)


def _validate_main(endpoint: Endpoint, obj: Obj, old: Obj) -> list[FieldError]:
    return endpoint.rules.validate(obj) + endpoint.rules.validate_update(obj, old)


def _keep_all_but_status(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    strategy.keep_old(obj, old, *((obj.keys() | old.keys()) - {"status", "metadata", "apiVersion", "kind"}))
    strategy.keep_old(obj["metadata"], old["metadata"], "ownerReferences", "finalizers")


def _prepare_status(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    endpoint.rules.prepare_status_update(obj, old)


def _validate_status(endpoint: Endpoint, obj: Obj, old: Obj) -> list[FieldError]:
    return endpoint.rules.validate_status_update(obj, old)


def _keep_all_but_finalizers(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    strategy.keep_old(obj, old, "status")


def _validate_finalizers(endpoint: Endpoint, obj: Obj, old: Obj) -> list[FieldError]:
    return endpoint.rules.validate(obj)


def _nothing(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    """This part prepares nothing."""


def _no_errors(endpoint: Endpoint, obj: Obj, old: Obj) -> list[FieldError]:
    return []


MAIN = Part("", _keep_status, _prepare_main, _validate_main)
STATUS = Part("status", _keep_all_but_status, _prepare_status, _validate_status)
SCALE = Part("scale", _keep_status, _prepare_main, _validate_main)
BINDING = Part("binding", _nothing, _nothing, _no_errors)
FINALIZE = Part("finalize", _keep_all_but_finalizers, _nothing, _validate_finalizers)


async def update(records: Records, call: Call, part: Part = MAIN) -> Response:
    """PUT."""
    call.check_options("UpdateOptions")
    endpoint = call.endpoint
    wanted = call.decode()
    strategy.place(endpoint, wanted, call.namespace)
    strategy.check_name(wanted, call.name)
    encoded = orjson.dumps(wanted)
    if endpoint.rules.create_on_update and part is MAIN:
        found = await records.find(endpoint, call.namespace, call.name)
        if found is None:
            return await _create_instead(records, call, wanted)
    current = await change(records, call, endpoint, call.name, lambda _: orjson.loads(encoded), part=part)
    return call.answer(current)


async def _create_instead(records: Records, call: Call, obj: Obj) -> Response:
    wanted_uid = obj["metadata"].get("uid")
    if wanted_uid:
        raise _other_object(call.endpoint, call.namespace, call.name, wanted_uid, "")
    return call.answer(await create_object(records, call, call.endpoint, obj), code=201)


async def change(
    records: Records, call: Call, endpoint: Endpoint, name: str, build: Build, *, part: Part = MAIN
) -> Current:
    """Read, build, check, commit. Raises NotFound, Conflict, Invalid, Forbidden and what `Records.commit` raises."""
    for _ in range(_TRIES):
        current = await records.get(endpoint, call.namespace, name)
        new, old = build(current), current.parse()
        _check_version(endpoint, new, current, name)
        await _prepare(call, endpoint, new, old, part)
        try:
            return await _store(records, call, endpoint, new, old, current)
        except Changed:
            continue
    raise _conflict(endpoint, name)


def _check_version(endpoint: Endpoint, new: Obj, current: Current, name: str) -> None:
    """Take out the resourceVersion that the caller has written from; it must be the present one.

    A patch that says nothing of it finds there the version that it was applied to, and so may be applied to the next.
    """
    version = strategy.take_version(new["metadata"])
    if version and version != current.rv:
        raise _conflict(endpoint, name)
    if not version and endpoint.rules.extra.get("requires_resource_version"):
        body = "Invalid value: 0x0: must be specified for an update"
        error = FieldError("FieldValueInvalid", "metadata.resourceVersion", body)
        raise invalid(endpoint.resource.plural, endpoint.resource.group, name, [error])


def _conflict(endpoint: Endpoint, name: str) -> status.Conflict:
    return status.conflict(endpoint.resource.plural, endpoint.resource.group, name, status.MODIFIED_SINCE)


def _other_object(endpoint: Endpoint, namespace: str, name: str, wanted: str, found: str) -> status.Conflict:
    """In the words of upstream's storage, whose keys have this form."""
    key = "/".join(filter(None, ("/registry", endpoint.stored.resource, namespace, name)))
    return status.conflict(
        endpoint.resource.plural,
        endpoint.resource.group,
        name,
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
        f"failed: UID in precondition: {wanted}, UID in object meta: {found}",
    )


async def _prepare(call: Call, endpoint: Endpoint, new: Obj, old: Obj, part: Part) -> None:
    metadata = new["metadata"]
    wanted_uid = metadata.get("uid")
    if wanted_uid and wanted_uid != old["metadata"]["uid"]:
        raise _other_object(endpoint, call.namespace, old["metadata"]["name"], wanted_uid, old["metadata"]["uid"])
    _warn(call, strategy.tidy(metadata))
    strategy.keep_server_fields(new, old)
    part.keep(endpoint, new, old)
    if part is MAIN:
        endpoint.rules.default(new)
    await call.admission.admit(
        Attributes(
            operation="UPDATE",
            endpoint=endpoint,
            subresource=part.subresource,
            namespace=metadata.get("namespace", ""),
            name=metadata.get("name", ""),
            user=call.user,
            obj=new,
            old=old,
        )
    )
    part.prepare(endpoint, new, old)
    if part is not STATUS:
        strategy.count_generation(endpoint, new, old)
    strategy.check_updated(endpoint, new, old, lambda n, o: part.validate(endpoint, n, o))


def _warn(call: Call, warnings: list[str]) -> None:
    """An update that starts again warns once."""
    call.warnings += [text for text in warnings if text not in call.warnings]


async def _store(records: Records, call: Call, endpoint: Endpoint, new: Obj, old: Obj, current: Current) -> Current:
    finished = is_finished(endpoint, new)
    if call.dry_run:
        return Current.unsaved(new, rv=current.rv)
    if not finished and _same(new, old):
        return current
    return await records.commit(
        endpoint, new, change="DELETED" if finished else "MODIFIED", expected_rv=current.rv, actor=call.actor
    )


def _same(new: Obj, old: Obj) -> bool:
    """Nothing to write: the object is as it was. `new` carries no resourceVersion here."""
    before = {**old, "metadata": {k: v for k, v in old["metadata"].items() if k != "resourceVersion"}}
    return new == before
