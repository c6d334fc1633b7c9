"""Binding: the one way in which a pod gets its node, at most once.

`apply_binding` is pure and works on the pod as it was read; that only one of two binders wins is up to the commit's
expected resourceVersion.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, invalid, invalid_value, required
from apiserver.api.fielderrors import not_supported as unsupported
from apiserver.api.kinds._conditions import set_condition, timestamp
from apiserver.api.status import conflict

Object = dict[str, Any]


def validate_binding(binding: Object) -> None:
    """Raises Invalid unless the Binding targets a node by name."""
    errors = binding_errors(binding)
    if errors:
        raise invalid("Binding", "", (binding.get("metadata") or {}).get("name") or "", errors)


def binding_errors(binding: Object) -> list[FieldError]:
    errors: list[FieldError] = []
    target = binding.get("target") or {}
    kind = target.get("kind") or ""
    if kind not in ("", "Node"):
        errors.append(unsupported("target.kind", kind, ["Node", "<empty>"]))
    if not target.get("name"):
        errors.append(required("target.name"))
    elif (complaint := _path_segment(target["name"])) is not None:
        errors.append(invalid_value("target.name", target["name"], complaint))
    return errors


def _path_segment(name: str) -> str | None:
    if name in (".", ".."):
        return f"may not be '{name}'"
    for character in "/%":
        if character in name:
            return f"may not contain '{character}'"
    return None


def _refusal(pod: Object, binding: Object) -> str | None:
    meta, spec = pod["metadata"], pod["spec"]
    name = meta["name"]
    wanted = (binding.get("metadata") or {}).get("uid")
    if wanted and wanted != meta.get("uid"):
        return f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {meta.get('uid', '')}"
    if meta.get("deletionTimestamp"):
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    if spec.get("schedulingGates"):
        return f"pod {name} has non-empty .spec.schedulingGates"
    return None


def apply_binding(pod: Object, binding: Object, now: datetime) -> Object:
    """The pod bound to the binding's node: a new object that shares what does not change; the given one stays as it
    is. Raises Conflict where it cannot be bound."""
    refusal = _refusal(pod, binding)
    if refusal is not None:
        raise conflict("pods/binding", "", pod["metadata"]["name"], refusal)
    meta, status = {**pod["metadata"]}, {**(pod.get("status") or {})}
    extra = binding.get("metadata") or {}
    for field in ("annotations", "labels"):
        if extra.get(field):
            meta[field] = {**(meta.get(field) or {}), **extra[field]}
    status["conditions"] = list(status.get("conditions") or ())
    set_condition(status, {"type": "PodScheduled", "status": "True"}, now=timestamp(now))
    status.pop("nominatedNodeName", None)
    spec = {**pod["spec"], "nodeName": binding["target"]["name"]}
    return {**pod, "metadata": meta, "spec": spec, "status": status}
