"""The Scale subresource (`autoscaling/v1`): how many replicas are asked for and there are, whatever the kind.

`scale_of` shows an object as its Scale; `apply_scale` returns the object with the number that a Scale asks for. The
selector goes out as text, in the form that the `labelSelector` parameter of a list takes, because autoscalers list by
it. Both are pure.
"""

from __future__ import annotations

import copy
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid, invalid_value
from apiserver.api.kinds._label_selectors import selector_query
from apiserver.api.status import Conflict, conflict

Object = dict[str, Any]

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _selector(obj: Object) -> str:
    selector = obj["spec"].get("selector")
    if obj.get("kind") == "ReplicationController":
        return selector_query({"matchLabels": selector or {}})
    return selector_query(selector)


def scale_of(obj: Object) -> Object:
    """The Scale of a Deployment, ReplicaSet, StatefulSet or ReplicationController."""
    meta, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    shown: Object = {"replicas": status.get("replicas") or 0}
    text = _selector(obj)
    if text:
        shown["selector"] = text
    replicas = spec.get("replicas")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in _META if field in meta},
        "spec": {} if not replicas else {"replicas": replicas},
        "status": shown,
    }


def validate_scale(scale: Object) -> list[FieldError]:
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if replicas < 0:
        return [invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")]
    return []


def _refusal(obj: Object, scale: Object) -> str | None:
    for field, told in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted, present = (scale.get("metadata") or {}).get(field), obj["metadata"].get(field)
        if wanted and wanted != present:
            return f"Precondition failed: {told} in precondition: {wanted}, {told} in object meta: {present}"
    return None


def apply_scale(obj: Object, scale: Object, *, resource: str, group: str) -> Object:
    """The object with the Scale's replicas: a new one, the given one stays.

    Raises Invalid for a negative number, Conflict where the Scale names another uid or resourceVersion.
    """
    name = obj["metadata"]["name"]
    errors = validate_scale(scale)
    if errors:
        raise invalid("Scale", "autoscaling", name, errors)
    refusal = _refusal(obj, scale)
    if refusal is not None:
        refused: Conflict = conflict(resource, group, name, refusal)
        raise refused
    scaled = copy.copy(obj)
    scaled["spec"] = {**obj["spec"], "replicas": (scale.get("spec") or {}).get("replicas") or 0}
    return scaled
