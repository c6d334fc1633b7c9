"""The writes that several controllers make: status when it changed, taking over and letting go of owned objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from agents.client.informer import Informer
from agents.client.resources import ResourceRef
from agents.client.rest import RestClient
from agents.controllers import ownership
from apiserver.api.status import Invalid, NotFound

Obj = dict[str, Any]


async def write_status(rest: RestClient, informer: Informer, ref: ResourceRef, obj: Obj, status: Obj) -> None:
    """PUT the status if it differs; an object that is gone meanwhile needs none. Raises Conflict when it changed."""
    if status == obj.get("status", {}):
        return
    wanted = {**obj, "status": status}
    try:
        informer.learn(await rest.update(ref, wanted, subresource="status"))
    except NotFound:
        return


async def claim(
    rest: RestClient,
    informer: Informer,
    ref: ResourceRef,
    owner: Obj,
    owner_ref: ResourceRef,
    *,
    may_adopt: Callable[[Obj], bool],
) -> Sequence[Obj]:
    """The objects of an owner, after it took over what matches its selector and let go what does not."""
    meta = owner["metadata"]
    own = informer.by_index(ownership.BY_OWNER, meta["uid"])
    orphans = informer.by_index(ownership.ORPHANS, meta["namespace"])
    claims = ownership.claim(owner, [*own, *orphans], may_adopt=may_adopt)
    for obj in claims.release:
        await drop_owner(rest, informer, ref, obj, meta["uid"])
    if not claims.adopt or not await _still_there(rest, owner_ref, owner):
        return claims.owned
    reference = ownership.owner_reference(owner, owner_ref.api_version, owner_ref.kind)
    taken = [await take_over(rest, informer, ref, obj, reference) for obj in claims.adopt]
    return [*claims.owned, *(obj for obj in taken if obj is not None)]


async def _still_there(rest: RestClient, ref: ResourceRef, owner: Obj) -> bool:
    """An owner that is on its way out may just have orphaned what it would take over."""
    meta = owner["metadata"]
    try:
        found = await rest.get(ref, meta["name"], namespace=meta["namespace"])
    except NotFound:
        return False
    return found["metadata"]["uid"] == meta["uid"] and not found["metadata"].get("deletionTimestamp")


async def take_over(rest: RestClient, informer: Informer, ref: ResourceRef, obj: Obj, reference: Obj) -> Obj | None:
    """Make `reference` the controller of an object that has none. None when it is gone or was taken meanwhile."""
    meta = obj["metadata"]
    patch = {"metadata": {"uid": meta["uid"], "ownerReferences": [*meta.get("ownerReferences", []), reference]}}
    try:
        patched = await rest.patch(
            ref, meta["name"], patch, namespace=meta["namespace"], resource_version=meta["resourceVersion"]
        )
    except (NotFound, Invalid):
        return None
    informer.learn(patched)
    return patched


async def drop_owner(rest: RestClient, informer: Informer, ref: ResourceRef, obj: Obj, uid: str) -> None:
    """Remove the reference to one owner."""
    meta = obj["metadata"]
    left = [o for o in meta.get("ownerReferences", []) if o["uid"] != uid]
    patch = {"metadata": {"uid": meta["uid"], "ownerReferences": left or None}}
    try:
        patched = await rest.patch(
            ref,
            meta["name"],
            patch,
            namespace=meta.get("namespace", ""),
            resource_version=meta["resourceVersion"],
        )
    except NotFound:
        return
    informer.learn(patched)
