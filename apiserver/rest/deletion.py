"""What a DELETE does to an object: remove it, mark it, shorten its grace, or nothing.

Pure. Upstream: `registry/rest/delete.go`, `registry/generic/registry/store.go` and, for namespaces,
`registry/core/namespace/storage`.

    finalizers        the object stays, marked, until its last finalizer is gone
    grace (pods)      the object stays, marked, until somebody deletes it with a grace of 0
    a namespace       is marked; it is removed when its spec.finalizers and its own are gone
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apiserver.api.meta import parse_time, rfc3339
from apiserver.api.status import Conflict, conflict
from apiserver.rest.endpoint import EVENTS, NAMESPACES, Endpoint

Obj = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_BY_POLICY = {"Orphan": ORPHAN, "Foreground": FOREGROUND}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """`meta/v1` DeleteOptions, checked."""

    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    waits_for_dependents: bool = False
    """The old `orphanDependents: false`: the answer is 202 when the object is not gone at once."""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a DELETE comes to: remove the object now, write it as it is now, or leave it as it was."""

    remove: bool
    changed: bool


_NOTHING_TO_DO = Deletion(remove=False, changed=False)


def is_finished(endpoint: Endpoint, obj: Obj) -> bool:
    """True when an object that is being deleted has nothing left to wait for, so that this write removes it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or _waits(endpoint, obj):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


def _waits(endpoint: Endpoint, obj: Obj) -> bool:
    held = endpoint.stored == NAMESPACES and obj.get("spec", {}).get("finalizers")
    return bool(held or obj["metadata"].get("finalizers"))


def check_preconditions(endpoint: Endpoint, obj: Obj, options: DeleteOptions) -> None:
    """Raises Conflict when the caller means another object, or another version of it."""
    metadata = obj["metadata"]
    if options.uid and options.uid != metadata["uid"]:
        raise _other_object(endpoint, metadata, "UID", options.uid, metadata["uid"])
    if options.resource_version and options.resource_version != metadata["resourceVersion"]:
        raise _other_object(
            endpoint, metadata, "ResourceVersion", options.resource_version, metadata["resourceVersion"]
        )


def _other_object(endpoint: Endpoint, metadata: Obj, what: str, wanted: str, found: str) -> Conflict:
    if endpoint.stored == NAMESPACES:
        why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
        return conflict("namespaces", "", metadata["name"], why)
    ending = "deleted and then recreated" if what == "UID" else "modified"
    why = (
        f"the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). "
        f"The object might have been {ending}"
    )
    return conflict(endpoint.kind, endpoint.resource.group, metadata["name"], why)


def begin_deletion(endpoint: Endpoint, obj: Obj, options: DeleteOptions, now: datetime) -> Deletion:
    """Apply a DELETE to an object, in place."""
    metadata = obj["metadata"]
    if endpoint.stored == NAMESPACES:
        return _begin_namespace(endpoint, obj, options, now)
    before = dict(metadata)
    grace = _begin_grace(endpoint, obj, options, now)
    if grace is _PENDING:
        return _NOTHING_TO_DO
    if endpoint.stored != EVENTS:  # the garbage collector does not look at them, so nobody would take a finalizer away
        _set_policy_finalizers(metadata, options.propagation_policy)
    held = bool(metadata.get("finalizers"))
    if grace is not None:
        return Deletion(remove=grace == 0 and not held, changed=True)
    if not held:
        return Deletion(remove=True, changed=True)
    _mark(metadata, now)
    return Deletion(remove=False, changed=metadata != before)


def _begin_namespace(endpoint: Endpoint, obj: Obj, options: DeleteOptions, now: datetime) -> Deletion:
    metadata = obj["metadata"]
    if metadata.get("deletionTimestamp"):
        return _NOTHING_TO_DO if _waits(endpoint, obj) else Deletion(remove=True, changed=True)
    _set_policy_finalizers(metadata, options.propagation_policy)
    metadata["deletionTimestamp"] = rfc3339(now)
    obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
    return Deletion(remove=False, changed=True)


_PENDING: Any = object()


def _begin_grace(endpoint: Endpoint, obj: Obj, options: DeleteOptions, now: datetime) -> int | None:
    """The seconds that the object has to end, as of now written into it; None where it needs none. `_PENDING` when it
    has begun to end and this DELETE does not shorten that."""
    rule, metadata = endpoint.rules.default_grace_seconds, obj["metadata"]
    if rule is None:
        return None
    if "deletionTimestamp" in metadata:
        return _shorten(metadata, options.grace_period_seconds, now)
    grace = rule(obj, options.grace_period_seconds) or 0
    metadata["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    return grace


def _shorten(metadata: Obj, asked: int | None, now: datetime) -> int | None:
    left = metadata.get("deletionGracePeriodSeconds") or 0
    if not left:
        return None
    if asked is None or (period := 1 if asked < 0 else asked) >= left:
        return _PENDING  # type: ignore[no-any-return]
    end = parse_time(metadata["deletionTimestamp"]) - timedelta(seconds=left - period)
    if end < now:
        # All of the grace has passed; 1 still leaves the end to whoever runs the object.
        end, period = now, min(period, 1)
    metadata["deletionTimestamp"] = rfc3339(end)
    metadata["deletionGracePeriodSeconds"] = period
    return period


def _mark(metadata: Obj, now: datetime) -> None:
    """Nothing runs that would have to end: only finalizers are waited for."""
    marked = metadata.get("deletionTimestamp")
    if not marked and metadata.get("generation"):
        metadata["generation"] += 1
    if not marked or parse_time(marked) > now:
        metadata["deletionTimestamp"] = rfc3339(now)
    metadata["deletionGracePeriodSeconds"] = 0


def _set_policy_finalizers(metadata: Obj, policy: str) -> None:
    """The propagation policy stands in the finalizers, where the garbage collector reads it."""
    if not policy:
        return
    kept = [f for f in metadata.get("finalizers") or () if f not in (ORPHAN, FOREGROUND)]
    metadata["finalizers"] = [*kept, _BY_POLICY[policy]] if policy in _BY_POLICY else kept
    if not metadata["finalizers"]:
        del metadata["finalizers"]
