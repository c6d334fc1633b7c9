"""The rules of a write that all kinds share: what the server fills in, keeps, counts and refuses.

Pure: the clock and the randomness come in as arguments. Upstream: `registry/rest/{create,update,delete}.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from apiserver.api import fielderrors, meta, status
from apiserver.api.fielderrors import FieldError
from apiserver.rest.endpoint import NAMESPACES, Endpoint

Obj = dict[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_KEPT_BY_SERVER = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(endpoint: Endpoint, obj: Obj, namespace: str, name: str) -> Obj:
    """Check that the object says the same place as the URL, and write the place into it. Returns its metadata."""
    metadata: Obj = obj.setdefault("metadata", {})
    if endpoint.resource.namespaced:
        given = metadata.get("namespace") or namespace
        if given != namespace:
            raise status.BadRequest(
                f"the namespace of the provided object does not match the namespace sent on the request"
                f" ({given} vs {namespace})"
            )
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)
    if name and metadata.get("name") and metadata["name"] != name:
        raise status.BadRequest(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    if name and not metadata.get("name"):
        metadata["name"] = name
    return metadata


def fill_new(endpoint: Endpoint, obj: Obj, *, uid: str, now: datetime) -> None:
    """The metadata that only the server writes, at create."""
    metadata = obj["metadata"]
    if metadata.get("resourceVersion"):
        raise status.BadRequest("resourceVersion should not be set on objects to be created")
    for server_owned in ("resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
        metadata.pop(server_owned, None)
    metadata.pop("managedFields", None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = rfc3339(now)
    metadata.pop("generation", None)
    if endpoint.rules.counts_generation:
        metadata["generation"] = 1
    if endpoint.has_status and not endpoint.rules.extra.get("status_on_create"):
        obj.pop("status", None)


def keep_server_fields(obj: Obj, old: Obj) -> None:
    """On update the server's metadata stays what it was, whatever the client sent."""
    metadata, before = obj["metadata"], old["metadata"]
    if not metadata.get("uid"):
        metadata["uid"] = before["uid"]
    for key in _KEPT_BY_SERVER:
        if key == "uid":
            continue
        if key in before:
            metadata[key] = before[key]
        else:
            metadata.pop(key, None)
    for unkept in ("selfLink", "resourceVersion", "managedFields"):
        metadata.pop(unkept, None)


def keep_old(obj: Obj, old: Obj, *fields: str) -> None:
    """Put fields back to what they were."""
    for key in fields:
        if key in old:
            obj[key] = old[key]
        else:
            obj.pop(key, None)


def count_generation(endpoint: Endpoint, obj: Obj, old: Obj) -> None:
    """`metadata.generation` counts the changes of what the user asks for: everything but metadata and status."""
    if not endpoint.rules.counts_generation:
        return
    changed = any(obj.get(key) != old.get(key) for key in obj.keys() | old.keys() if key not in ("metadata", "status"))
    if endpoint.rules.extra.get("generation_counts_annotations"):
        changed = changed or obj["metadata"].get("annotations") != old["metadata"].get("annotations")
    if changed:
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def check_new(endpoint: Endpoint, obj: Obj) -> None:
    """Raises Invalid with every complaint about a new object."""
    rules = endpoint.rules
    errors = _meta_errors(endpoint, obj) + rules.validate(obj) + rules.validate_create(obj)
    _raise(endpoint, obj, errors)


def check_updated(endpoint: Endpoint, obj: Obj, old: Obj, extra: Callable[[Obj, Obj], list[FieldError]]) -> None:
    """Raises Invalid with every complaint about a changed object. `extra` are the kind's own rules for the change."""
    errors = _meta_errors(endpoint, obj) + meta.validate_object_meta_update(obj["metadata"], old["metadata"])
    _raise(endpoint, obj, errors + extra(obj, old))


def _meta_errors(endpoint: Endpoint, obj: Obj) -> list[FieldError]:
    return meta.validate_object_meta(
        obj["metadata"], namespaced=endpoint.resource.namespaced, validate_name=endpoint.rules.validate_name
    )


def _raise(endpoint: Endpoint, obj: Obj, errors: list[FieldError]) -> None:
    if errors:
        r = endpoint.resource
        raise fielderrors.invalid(r.kind, r.group, obj["metadata"].get("name", ""), errors)


def is_finished(endpoint: Endpoint, obj: Obj) -> bool:
    """True when an object that is being deleted has nothing left to wait for, so that this write removes it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if endpoint.stored == NAMESPACES and obj.get("spec", {}).get("finalizers"):
        return False
    grace: int | None = metadata.get("deletionGracePeriodSeconds")
    return not grace


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    """`meta/v1` DeleteOptions, checked."""

    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a DELETE comes to: remove the object now, mark it, or leave it as it is."""

    remove: bool
    changed: bool


def begin_deletion(endpoint: Endpoint, obj: Obj, options: DeleteOptions, now: datetime) -> Deletion:
    """Apply a DELETE to an object, in place."""
    metadata = obj["metadata"]
    changed = _set_policy_finalizers(metadata, options.propagation_policy)
    rule = endpoint.rules.default_grace_seconds
    grace = (rule(obj, options.grace_period_seconds) if rule else 0) or 0
    already = "deletionTimestamp" in metadata
    waits = bool(metadata.get("finalizers")) or (
        endpoint.stored == NAMESPACES and bool(obj.get("spec", {}).get("finalizers"))
    )
    if already:
        return _shorten(metadata, grace, options.grace_period_seconds, waits=waits, changed=changed, now=now)
    if grace == 0 and not waits:
        return Deletion(remove=True, changed=True)
    metadata["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace))
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1
    if endpoint.stored == NAMESPACES:
        obj.setdefault("status", {})["phase"] = "Terminating"
    return Deletion(remove=False, changed=True)


def _shorten(metadata: Obj, grace: int, asked: int | None, *, waits: bool, changed: bool, now: datetime) -> Deletion:
    """A second DELETE may only shorten the grace period."""
    before = metadata.get("deletionGracePeriodSeconds") or 0
    if asked is not None and grace < before:
        metadata["deletionGracePeriodSeconds"] = grace
        metadata["deletionTimestamp"] = rfc3339(now + timedelta(seconds=grace))
        before, changed = grace, True
    return Deletion(remove=before == 0 and not waits, changed=changed)


def _set_policy_finalizers(metadata: Obj, policy: str) -> bool:
    """The propagation policy stands in the finalizers, where the garbage collector reads it."""
    if not policy:
        return False
    before = list(metadata.get("finalizers") or ())
    after = [f for f in before if f not in (ORPHAN, FOREGROUND)]
    if policy == "Orphan":
        after.append(ORPHAN)
    elif policy == "Foreground":
        after.append(FOREGROUND)
    if after:
        metadata["finalizers"] = after
    else:
        metadata.pop("finalizers", None)
    return after != before
