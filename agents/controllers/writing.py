"""The writes that several controllers make: status when it changed, taking over and letting go of owned objects."""

from __future__ import annotations

from typing import Any

from agents.client.informer import Informer
from agents.client.resources import ResourceRef
from agents.client.rest import RestClient
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
