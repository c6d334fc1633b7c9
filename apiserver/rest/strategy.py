"""The rules of creating and changing that all kinds share: what the server fills in, keeps, counts and refuses.

Pure: the clock and the randomness come in as arguments. Upstream: `registry/rest/{create,update}.go`. For deleting see
`apiserver.rest.deletion`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apiserver.api import fielderrors, meta, status
from apiserver.api.fielderrors import FieldError
from apiserver.api.selectors import integer
from apiserver.rest.endpoint import Endpoint

Obj = dict[str, Any]

_NEVER_SENT = ("selfLink", "managedFields")
_OMITTED_EMPTY = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
_DUPLICATE_OWNERS = (
    ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject "
    "such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)


def place(endpoint: Endpoint, obj: Obj, namespace: str) -> Obj:
    """Hold the object against the URL's namespace and write that into it. Returns its metadata. Raises BadRequest."""
    metadata: Obj = obj.setdefault("metadata", {})
    if not endpoint.resource.namespaced:
        metadata.pop("namespace", None)
        return metadata
    if metadata.get("namespace", namespace) not in (namespace, ""):
        raise status.BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    metadata["namespace"] = namespace
    return metadata


def check_name(obj: Obj, name: str) -> None:
    """An object that is put at a URL must say so. Raises BadRequest."""
    given = obj["metadata"].get("name") or ""
    if not given:
        raise status.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise status.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def tidy(metadata: Obj) -> list[str]:
    """Leave out what says nothing, and owners named twice. Returns warnings."""
    for key in _NEVER_SENT:
        metadata.pop(key, None)
    for key in _OMITTED_EMPTY:
        if key in metadata and not metadata[key]:
            del metadata[key]
    owners = metadata.get("ownerReferences")
    if owners is None or len(owners) < 2:
        return []
    unique = [owner for i, owner in enumerate(owners) if owner not in owners[:i]]
    if len(unique) == len(owners):
        return []
    metadata["ownerReferences"] = unique
    repeated = [owner["uid"] for i, owner in enumerate(owners) if owner in owners[:i]]
    return [_DUPLICATE_OWNERS + ", ".join(dict.fromkeys(repeated))]


def fill_new(endpoint: Endpoint, obj: Obj, *, uid: str, now: datetime) -> None:
    """The metadata that only the server writes, at create."""
    metadata = obj["metadata"]
    for server_owned in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        metadata.pop(server_owned, None)
    metadata["uid"] = uid
    metadata["creationTimestamp"] = meta.rfc3339(now)
    if endpoint.rules.counts_generation:
        metadata["generation"] = 1
    if endpoint.has_status and not endpoint.rules.extra.get("status_on_create"):
        obj.pop("status", None)


def take_version(metadata: Obj) -> int:
    """Take the resourceVersion out of an object's metadata: the number, or 0 where it says none or nothing readable."""
    text = metadata.pop("resourceVersion", None) or ""
    return max(integer(text) or 0, 0)


def keep_server_fields(obj: Obj, old: Obj) -> None:
    """On update the server's metadata stays. A deletionTimestamp can't be brought in; validation says so."""
    metadata, before = obj["metadata"], old["metadata"]
    if not metadata.get("uid"):
        metadata["uid"] = before["uid"]
    keep_old(metadata, before, "creationTimestamp", "generation")
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        if key in before:
            metadata[key] = before[key]


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
    _raise(endpoint, obj, _meta_errors(endpoint, obj) + rules.validate(obj) + rules.validate_create(obj))


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
