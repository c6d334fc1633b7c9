"""PUT and PATCH, of objects and of their parts.

Every update is one loop: read the object, let the caller make the new one from it, put back what the caller may not
change, default, admit, validate, and commit against the resourceVersion that was read. When somebody was faster, the
loop starts again, unless the caller named a resourceVersion of its own; then it is told so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.admission import Attributes
from apiserver.api import status
from apiserver.api.fielderrors import FieldError, invalid, invalid_value
from apiserver.rest import strategy
from apiserver.rest.call import Call
from apiserver.rest.endpoint import NAMESPACES, Endpoint
from apiserver.rest.http import Response
from apiserver.rest.records import Changed, Current, Records

Obj = dict[str, Any]
Build = Callable[[Current], Obj | Awaitable[Obj]]

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
        obj["spec"] = {**obj.get("spec", {}), "finalizers": old.get("spec", {}).get("finalizers", [])}


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
    finalizers = obj.get("spec", {}).get("finalizers", [])
    strategy.keep_old(obj, old, "spec", "status")
    obj["spec"] = {**obj.get("spec", {}), "finalizers": finalizers}
    obj["metadata"] = dict(old["metadata"])


def _nothing(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    """This part prepares nothing."""


def _no_errors(endpoint: Endpoint, obj: Obj, old: Obj) -> list[FieldError]:
    return []


MAIN = Part("", _keep_status, _prepare_main, _validate_main)
STATUS = Part("status", _keep_all_but_status, _prepare_status, _validate_status)
BINDING = Part("binding", _nothing, _nothing, _no_errors)
FINALIZE = Part("finalize", _keep_all_but_finalizers, _nothing, _no_errors)


async def update(records: Records, call: Call, part: Part = MAIN) -> Response:
    """PUT."""
    decoded = orjson.dumps(call.decode())
    endpoint = call.endpoint
    wanted = orjson.loads(decoded)
    strategy.place(endpoint, wanted, call.namespace, call.name)
    _require_name(endpoint, wanted)
    expected = _expected_rv(endpoint, wanted)

    def build(current: Current) -> Obj:
        obj: Obj = orjson.loads(decoded)
        strategy.place(endpoint, obj, call.namespace, call.name)
        return obj

    if endpoint.rules.create_on_update and part is MAIN:
        found = await records.find(endpoint, call.namespace, call.name)
        if found is None:
            return await _create_instead(records, call, wanted, expected)
    current = await change(records, call, endpoint, call.name, build, part=part, expected_rv=expected)
    return call.answer(current)


async def _create_instead(records: Records, call: Call, obj: Obj, expected: int | None) -> Response:
    from apiserver.rest.create import create_object

    if expected:
        raise status.not_found(call.endpoint.resource.plural, call.endpoint.resource.group, call.name)
    obj["metadata"].pop("uid", None)
    obj["metadata"].pop("resourceVersion", None)
    return call.answer(await create_object(records, call, call.endpoint, obj, name=call.name), code=201)


def _require_name(endpoint: Endpoint, obj: Obj) -> None:
    if not obj["metadata"].get("name"):
        raise status.BadRequest("name must be provided")


def _expected_rv(endpoint: Endpoint, obj: Obj) -> int | None:
    """The resourceVersion that the writer read; None for "whatever it is now"."""
    text = obj["metadata"].get("resourceVersion") or ""
    if text in ("", "0"):
        if endpoint.rules.extra.get("requires_resource_version"):
            error = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(endpoint.kind, endpoint.resource.group, obj["metadata"].get("name", ""), [error])
        return None
    if not text.isdigit():
        raise status.BadRequest(f'resourceVersion "{text}" is not a number')
    return int(text)


async def change(
    records: Records,
    call: Call,
    endpoint: Endpoint,
    name: str,
    build: Build,
    *,
    part: Part = MAIN,
    expected_rv: int | None = None,
) -> Current:
    """Read, build, check, commit. Raises NotFound, Conflict, Invalid, Forbidden and what `Records.commit` raises."""
    for _ in range(_TRIES):
        current = await records.get(endpoint, call.namespace, name)
        if expected_rv is not None and expected_rv != current.rv:
            raise _conflict(endpoint, name)
        built = build(current)
        new = await built if isinstance(built, Awaitable) else built
        old = current.parse()
        pinned = expected_rv is not None or _pins(endpoint, new, current, name)
        await _prepare(call, endpoint, new, old, part)
        try:
            return await _store(records, call, endpoint, new, old, current)
        except Changed as err:
            if pinned:
                raise _conflict(endpoint, name) from err
    raise _conflict(endpoint, name)


def _pins(endpoint: Endpoint, new: Obj, current: Current, name: str) -> bool:
    """A patch may carry a resourceVersion too: then it holds for that version alone."""
    old_rv = str(current.rv)
    given = new["metadata"].get("resourceVersion") or old_rv
    if given != old_rv:
        raise _conflict(endpoint, name)
    return False


def _conflict(endpoint: Endpoint, name: str) -> status.Conflict:
    return status.conflict(endpoint.resource.plural, endpoint.resource.group, name, status.MODIFIED_SINCE)


async def _prepare(call: Call, endpoint: Endpoint, new: Obj, old: Obj, part: Part) -> None:
    given_uid = new["metadata"].get("uid")
    if given_uid and given_uid != old["metadata"]["uid"]:
        raise status.conflict(
            endpoint.resource.plural,
            endpoint.resource.group,
            old["metadata"]["name"],
            f"StorageError: invalid object, Code: 4, Key: , ResourceVersion: 0, AdditionalErrorMsg: Precondition "
            f"failed: UID in precondition: {given_uid}, UID in object meta: {old['metadata']['uid']}",
        )
    strategy.keep_server_fields(new, old)
    part.keep(endpoint, new, old)
    if part is MAIN:
        endpoint.rules.default(new)
    await call.admission.admit(
        Attributes(
            operation="UPDATE",
            endpoint=endpoint,
            subresource=part.subresource,
            namespace=new["metadata"].get("namespace", ""),
            name=new["metadata"].get("name", ""),
            user=call.user,
            obj=new,
            old=old,
        )
    )
    part.prepare(endpoint, new, old)
    if part is not STATUS:
        strategy.count_generation(endpoint, new, old)
    strategy.check_updated(endpoint, new, old, lambda n, o: part.validate(endpoint, n, o))


async def _store(records: Records, call: Call, endpoint: Endpoint, new: Obj, old: Obj, current: Current) -> Current:
    finished = strategy.is_finished(endpoint, new)
    if call.dry_run():
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
