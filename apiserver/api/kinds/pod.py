"""Pod: what it is given at create, what may be wrong with it, how long its end takes, and how it is shown.

The kubelet writes the status, the scheduler binds; both act on the spec that this module let through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid, invalid_value
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._container_validation import check_image_spacing
from apiserver.api.kinds._pod_binding import apply_binding, validate_binding
from apiserver.api.kinds._pod_rules import add_default_tolerations, set_priority, set_service_account
from apiserver.api.kinds._pod_table import COLUMNS, SCHEDULING_GATED, row, status_word
from apiserver.api.kinds._pod_update import validate_pod_status_update, validate_pod_update
from apiserver.api.kinds._podspec_defaults import default_pod
from apiserver.api.kinds._podspec_validation import check_pod_spec
from apiserver.api.kinds._qos import qos_class
from apiserver.api.kinds.base import KindRules, register
from apiserver.api.selectors import integer

__all__ = [
    "add_default_tolerations",
    "apply_binding",
    "qos_class",
    "set_priority",
    "set_service_account",
    "status_word",
    "validate_binding",
]

Pod = dict[str, Any]

_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PADDED = re.compile("-?0[0-9]")
_GATED_MESSAGE = "Scheduling is blocked due to non-empty scheduling gates"


def prepare_create(pod: Pod) -> None:
    """A new pod is Pending; its quality of service class is fixed from now on.

    Raises Invalid for ephemeral containers: those are added to a pod that runs.
    """
    meta, spec = pod["metadata"], pod["spec"]
    if spec.get("ephemeralContainers"):
        refused = forbidden("spec.ephemeralContainers", "cannot be set on create")
        raise invalid("Pod", "", meta.get("name") or "", [refused])
    meta["generation"] = 1
    status: Pod = {"phase": "Pending", "qosClass": qos_class(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": SCHEDULING_GATED,
                "message": _GATED_MESSAGE,
                "lastProbeTime": None,
                "lastTransitionTime": None,
            }
        ]
    pod["status"] = status
    if not spec.get("priorityClassName") and spec.get("priority") is None:
        set_priority(pod, value=0)


def prepare_update(pod: Pod, old: Pod) -> None:
    """The status is the kubelet's. A pod whose last gate opened says so no more."""
    if old["spec"].get("schedulingGates") and not pod["spec"].get("schedulingGates"):
        status = dict(pod.get("status") or {})
        conditions = [c for c in status.get("conditions") or () if c.get("reason") != SCHEDULING_GATED]
        status["conditions"] = conditions
        pod["status"] = {k: v for k, v in status.items() if k != "conditions" or v}


def prepare_status_update(pod: Pod, old: Pod) -> None:
    status = pod.setdefault("status", {})
    if not status.get("qosClass"):
        status["qosClass"] = (old.get("status") or {}).get("qosClass") or qos_class(old["spec"])


def _check_only_for_pods(spec: Pod, errors: Errors) -> None:
    for field in ("containers", "initContainers"):
        for i, container in enumerate(spec.get(field) or ()):
            check_image_spacing(container, f"spec.{field}[{i}]", errors)
    if spec.get("nodeName") and spec.get("schedulingGates"):
        errors.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    if spec.get("serviceAccountName"):
        return
    for i, volume in enumerate(spec.get("volumes") or ()):
        for j, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if source.get("serviceAccountToken") is not None:
                where = f"spec.volumes[{i}].projected.sources[{j}].serviceAccountToken"
                errors.append(forbidden(where, "must not be specified when serviceAccountName is not set"))


def _check_deletion_cost(meta: Pod, errors: Errors) -> None:
    cost = (meta.get("annotations") or {}).get(_DELETION_COST)
    if cost is None:
        return
    number = integer(cost)
    if number is None or not -(2**31) <= number < 2**31 or cost.startswith("+") or _PADDED.match(cost):
        where = f"metadata.annotations[{_DELETION_COST}]"
        errors.append(invalid_value(where, cost, "must be a 32bit integer"))


def validate(pod: Pod) -> list[FieldError]:
    errors: Errors = []
    spec = pod["spec"]
    _check_deletion_cost(pod["metadata"], errors)
    check_pod_spec(spec, "spec", errors, is_pod=True, pod_name=pod["metadata"].get("name") or "")
    _check_only_for_pods(spec, errors)
    return errors


def default_grace_seconds(pod: Pod, requested: int | None) -> int:
    """As asked for, else as the pod says. Nobody has to be waited for where no kubelet runs it or all has ended."""
    spec = pod["spec"]
    period = requested if requested is not None else spec.get("terminationGracePeriodSeconds")
    if period is None:
        period = 30
    if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return 1 if period < 0 else int(period)


def selectable_fields(pod: Pod) -> Mapping[str, str]:
    spec, status = pod["spec"], pod.get("status") or {}
    addresses = [address.get("ip") or "" for address in status.get("podIPs") or ()]
    return {
        "spec.nodeName": spec.get("nodeName") or "",
        "spec.restartPolicy": spec.get("restartPolicy") or "",
        "spec.schedulerName": spec.get("schedulerName") or "",
        "spec.serviceAccountName": spec.get("serviceAccountName") or "",
        "spec.hostNetwork": "true" if spec.get("hostNetwork") else "false",
        "status.phase": status.get("phase") or "",
        "status.podIP": status.get("podIP") or (addresses[0] if addresses else ""),
        "status.podIPs": ",".join(addresses),
        "status.nominatedNodeName": status.get("nominatedNodeName") or "",
    }


RULES = register(
    KindRules(
        group="",
        kind="Pod",
        default=default_pod,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        prepare_status_update=prepare_status_update,
        validate=validate,
        validate_update=validate_pod_update,
        validate_status_update=validate_pod_status_update,
        selectable_fields=selectable_fields,
        field_names=frozenset(selectable_fields({"spec": {}})),
        columns=COLUMNS,
        row=row,
        default_grace_seconds=default_grace_seconds,
    )
)
