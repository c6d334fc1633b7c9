"""Who controls what: owner references, the indexes by them, and which objects an owner takes over or lets go. Pure.

Upstream: pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.api.selectors import LabelSelector

Obj = dict[str, Any]

BY_OWNER = "controller-uid"
ORPHANS = "orphans"


def controller_of(obj: Obj) -> Obj | None:
    """The owner reference that has `controller: true`."""
    for reference in obj["metadata"].get("ownerReferences", ()):
        if reference.get("controller"):
            found: Obj = reference
            return found
    return None


def owned_by(obj: Obj, owner_uid: str) -> bool:
    reference = controller_of(obj)
    return reference is not None and reference["uid"] == owner_uid


def owner_reference(owner: Obj, api_version: str, kind: str) -> Obj:
    meta = owner["metadata"]
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def by_controller(obj: Obj) -> Iterable[str]:
    """Index function: the uid of the controller, if any."""
    reference = controller_of(obj)
    return [reference["uid"]] if reference else []


def orphan(obj: Obj) -> Iterable[str]:
    """Index function: the namespace of objects that nobody controls."""
    return [] if controller_of(obj) else [obj["metadata"].get("namespace", "")]


def selector_of(owner: Obj) -> LabelSelector:
    return LabelSelector.from_object(owner["spec"]["selector"])


def selects(owner: Obj, obj: Obj) -> bool:
    return selector_of(owner).matches(obj["metadata"].get("labels", {}))


@dataclass(frozen=True, slots=True)
class Claims:
    """Which objects are the owner's own, which it takes over, which it lets go."""

    owned: tuple[Obj, ...]
    adopt: tuple[Obj, ...]
    release: tuple[Obj, ...]


def claim(owner: Obj, candidates: Sequence[Obj], *, may_adopt: Callable[[Obj], bool]) -> Claims:
    """`candidates` are the objects of the namespace that the owner controls, and those that nobody controls."""
    selector = selector_of(owner)
    uid = owner["metadata"]["uid"]
    leaving = bool(owner["metadata"].get("deletionTimestamp"))
    owned: list[Obj] = []
    adopt: list[Obj] = []
    release: list[Obj] = []
    for obj in candidates:
        matches = selector.matches(obj["metadata"].get("labels", {}))
        if owned_by(obj, uid):
            (owned if matches or leaving else release).append(obj)
        elif matches and not leaving and controller_of(obj) is None and may_adopt(obj):
            adopt.append(obj)
    return Claims(tuple(owned), tuple(adopt), tuple(release))
