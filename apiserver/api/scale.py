"""The Scale subresource (`autoscaling/v1`): how many replicas are asked for and there are, whatever the kind.

`scale_of` shows an object as its Scale; `apply_scale` returns the object with the number that a Scale asks for. The
selector goes out as text, in the form that the `labelSelector` parameter of a list takes, because autoscalers list by
it. Both are pure; a Scale's resourceVersion is for the caller to compare.
"""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import FieldError, invalid, invalid_value
from apiserver.api.selectors import LabelSelector
from apiserver.api.status import conflict

Object = dict[str, Any]

_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _selector(obj: Object) -> str:
    selector = obj["spec"].get("selector")
    if not selector:
        return ""
    if obj.get("kind") == "ReplicationController":
        return LabelSelector.from_labels(selector).key
    return LabelSelector.from_object(selector).key


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


def apply_scale(obj: Object, scale: Object) -> Object:
    """The object with the Scale's replicas: a new one, the given one stays.

    Raises Invalid for a negative number, Conflict where the Scale was made for another object of this name.
    """
    meta = obj["metadata"]
    errors = validate_scale(scale)
    if errors:
        raise invalid("Scale", "autoscaling", meta["name"], errors)
    wanted = (scale.get("metadata") or {}).get("uid")
    if wanted and wanted != meta.get("uid"):
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {meta.get('uid', '')}"
        raise conflict("scale", "autoscaling", meta["name"], why)
    return {**obj, "spec": {**obj["spec"], "replicas": (scale.get("spec") or {}).get("replicas") or 0}}
