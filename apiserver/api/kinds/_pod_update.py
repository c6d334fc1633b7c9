"""What may change in a pod that exists: its images, its deadline, more tolerations, fewer scheduling gates.

Everything else in the spec is fixed, because a kubelet may have acted on it. A pod that is still gated was acted on
by nobody, so its node selection may be narrowed as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value
from apiserver.api.kinds._checks import IMMUTABLE, MAX_INT32, Errors, in_range

Spec = dict[str, Any]

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_MAX_SHOWN = 20
_ABSENT = object()
_TERMS = "nodeSelectorTerms"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """`- path: old` and `+ path: new` for each leaf that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from differences(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        for i in range(max(len(old), len(new))):
            before = old[i] if i < len(old) else _ABSENT
            after = new[i] if i < len(new) else _ABSENT
            yield from differences(before, after, f"{path}[{i}]")
    elif old != new:
        if old is not _ABSENT:
            yield f"- {path}: {_shown(old)}"
        if new is not _ABSENT:
            yield f"+ {path}: {_shown(new)}"


def _same_number(new: Spec, old: Spec, errors: Errors) -> bool:
    for field in ("containers", "initContainers"):
        if len(new.get(field) or ()) != len(old.get(field) or ()):
            errors.append(forbidden(f"spec.{field}", "pod updates may not add or remove containers"))
            return False
    return True


def _check_deadline(new: Spec, old: Spec, errors: Errors) -> bool:
    path, before, after = (
        "spec.activeDeadlineSeconds",
        old.get("activeDeadlineSeconds"),
        new.get("activeDeadlineSeconds"),
    )
    if after is None:
        if before is not None:
            errors.append(invalid_value(path, None, "must not update from a positive integer to nil value"))
        return True
    if not 0 <= after <= MAX_INT32:
        errors.append(invalid_value(path, after, in_range(0, MAX_INT32)))
        return False
    if before is not None and before < after:
        errors.append(invalid_value(path, after, "must be less than or equal to previous value"))
        return False
    return True


def _without_seconds(toleration: Spec) -> Spec:
    return {k: v for k, v in toleration.items() if k != "tolerationSeconds" and v != ""}


def _check_tolerations(new: Spec, old: Spec, errors: Errors) -> None:
    present = [_without_seconds(t) for t in new.get("tolerations") or ()]
    for toleration in old.get("tolerations") or ():
        if _without_seconds(toleration) not in present:
            told = "existing toleration can not be modified except its tolerationSeconds"
            errors.append(forbidden("spec.tolerations", told))
            return


def _check_gates(new: Spec, old: Spec, errors: Errors) -> None:
    known = {gate.get("name") for gate in old.get("schedulingGates") or ()}
    for i, gate in enumerate(new.get("schedulingGates") or ()):
        if gate.get("name") not in known:
            told = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            errors.append(forbidden(f"spec.schedulingGates[{i}].name", told))


def _check_node_selector(new: Spec, old: Spec, errors: Errors) -> None:
    before, after = old.get("nodeSelector") or {}, new.get("nodeSelector") or {}
    if any(after.get(key) != value for key, value in before.items()):
        told = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        errors.append(invalid_value("spec.nodeSelector", after, told))


def _narrows(new: Spec, old: Spec) -> bool:
    """Whether a node selector term only gained requirements."""
    for field in ("matchExpressions", "matchFields"):
        before, after = old.get(field) or [], new.get(field) or []
        if after[: len(before)] != before:
            return False
    return bool(old.get("matchExpressions") or old.get("matchFields")) or new == old


def _check_node_affinity(new: Spec, old: Spec, errors: Errors) -> None:
    path = "spec.affinity.nodeAffinity"
    before = ((old.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    after = ((new.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    if before is None or before == after:
        return
    where = f"{path}.{_REQUIRED}.{_TERMS}"
    old_terms, new_terms = before.get(_TERMS) or [], (after or {}).get(_TERMS) or []
    if len(old_terms) != len(new_terms):
        told = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        errors.append(invalid_value(where, new_terms, told))
        return
    for i, (old_term, new_term) in enumerate(zip(old_terms, new_terms, strict=True)):
        if not _narrows(new_term, old_term):
            told = "only additions are allowed (no mutations or deletions)"
            errors.append(invalid_value(f"{where}[{i}]", new_term, told))


def _without_images(containers: list[Spec] | None) -> list[Spec]:
    return [{k: v for k, v in container.items() if k != "image"} for container in containers or ()]


def _fixed_parts(spec: Spec, *, gated: bool, old: Spec) -> Spec:
    """The spec without what may change."""
    fixed = dict(spec)
    for field in ("containers", "initContainers"):
        fixed[field] = _without_images(spec.get(field))
    for field in ("activeDeadlineSeconds", "tolerations", "schedulingGates"):
        fixed.pop(field, None)
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    if gated:
        fixed.pop("nodeSelector", None)
        affinity = {k: v for k, v in (spec.get("affinity") or {}).items() if k != "nodeAffinity"}
        fixed.pop("affinity", None)
        if affinity:
            fixed["affinity"] = affinity
    return {k: v for k, v in fixed.items() if v not in (None, [], {})}


def _check_fixed_parts(new: Spec, old: Spec, errors: Errors) -> None:
    gated = bool(old.get("schedulingGates"))
    if gated:
        _check_node_selector(new, old, errors)
        _check_node_affinity(new, old, errors)
    before, after = _fixed_parts(old, gated=gated, old=old), _fixed_parts(new, gated=gated, old=old)
    if before != after:
        lines = list(differences(before, after, "spec"))
        if len(lines) > _MAX_SHOWN:
            lines = [*lines[:_MAX_SHOWN], f"… and {len(lines) - _MAX_SHOWN} more"]
        errors.append(forbidden("spec", "\n".join((_MAY_CHANGE, *lines))))


def validate_pod_update(pod: Spec, old: Spec) -> list[FieldError]:
    errors: Errors = []
    new_spec, old_spec = pod["spec"], old["spec"]
    if new_spec == old_spec or not _same_number(new_spec, old_spec, errors):
        return errors
    if not _check_deadline(new_spec, old_spec, errors):
        return errors
    _check_tolerations(new_spec, old_spec, errors)
    _check_gates(new_spec, old_spec, errors)
    _check_fixed_parts(new_spec, old_spec, errors)
    return errors


def _check_transitions(new: Spec, old: Spec, field: str, errors: Errors, *, policy: str, exempt: set[str]) -> None:
    """A container that ended for good does not come back."""
    if policy == "Always":
        return
    states = {c.get("name"): (c.get("state") or {}).get("terminated") for c in new.get(field) or ()}
    for i, container in enumerate(old.get(field) or ()):
        ended, name = (container.get("state") or {}).get("terminated"), container.get("name")
        if not ended or name in exempt or (ended.get("exitCode") and policy == "OnFailure"):
            continue
        if name in states and not states[name]:
            told = "may not be transitioned to non-terminated state"
            errors.append(forbidden(f"status.{field}[{i}].state", told))


def _may_restart(spec: Spec) -> set[str]:
    """Containers that restart whatever the pod's own policy says."""
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    return {
        c.get("name") or ""
        for c in containers
        if c.get("restartPolicy") not in (None, "Never") or c.get("restartPolicyRules")
    }


def validate_pod_status_update(pod: Spec, old: Spec) -> list[FieldError]:
    errors: Errors = []
    new_status, old_status = pod.get("status") or {}, old.get("status") or {}
    if (pod["spec"].get("nodeName") or "") != (old["spec"].get("nodeName") or ""):
        errors.append(forbidden("status.nodeName", "may not be changed directly"))
    if new_status.get("qosClass") != old_status.get("qosClass"):
        errors.append(invalid_value("status.qosClass", new_status.get("qosClass"), IMMUTABLE))
    policy, exempt = old["spec"].get("restartPolicy") or "", _may_restart(old["spec"])
    for field in ("containerStatuses", "initContainerStatuses"):
        _check_transitions(new_status, old_status, field, errors, policy=policy, exempt=exempt)
    _check_transitions(new_status, old_status, "ephemeralContainerStatuses", errors, policy="Never", exempt=set())
    return errors
