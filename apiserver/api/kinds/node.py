"""Node: a machine that runs pods. Its kubelet makes it, status and all, and reports from then on.

Addresses of pods and the provider's id are set once; taints and `unschedulable` change at will.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, invalid_value
from apiserver.api.kinds._addresses import check_cidr, family_of
from apiserver.api.kinds._ages import UNKNOWN, age
from apiserver.api.kinds._checks import Errors, check_choice, check_name, label_value, qualified_name
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds._resources import canonical_list, check_amount
from apiserver.api.kinds._scheduling_validation import EFFECTS
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Node = dict[str, Any]

_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE = "kubernetes.io/role"
_AMOUNTS = ("capacity", "allocatable")
_ONCE = 'node updates may not change {0} except from "" to valid'


def default(obj: Node) -> None:
    spec, status = obj.setdefault("spec", {}), obj.setdefault("status", {})
    _sync_pod_cidrs(spec)
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])
    default_status(obj, obj)


def _sync_pod_cidrs(spec: Node) -> None:
    """`podCIDR` is the first of `podCIDRs`; where they disagree the older field is what was meant."""
    one, several = spec.get("podCIDR") or "", spec.get("podCIDRs") or []
    if one and several[:1] != [one]:
        several = [one]
    if several:
        spec["podCIDRs"], spec["podCIDR"] = several, several[0]


def default_status(obj: Node, old: Node) -> None:
    """Amounts are written the one way, whoever reports them."""
    for field in _AMOUNTS:
        canonical_list((obj.get("status") or {}).get(field) or {})


def _check_taints(taints: list[Node], errors: Errors) -> None:
    seen = set()
    for i, taint in enumerate(taints):
        # Upstream places these errors under metadata, and clients have learned it.
        where = f"metadata.taints[{i}]"
        key, value, effect = taint.get("key") or "", taint.get("value") or "", taint.get("effect") or ""
        check_name(key, f"{where}.key", errors, rule=qualified_name)
        if complaints := label_value(value):
            errors.append(invalid_value(f"{where}.value", value, ";".join(complaints)))
        check_choice(effect, f"{where}.effect", errors, choices=EFFECTS)
        if (key, effect) in seen:
            shown = {"Key": key, "Value": value, "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            errors.append(duplicate(where, shown, "taints must be unique by key and effect pair"))
        seen.add((key, effect))


def _check_amounts(status: Node, errors: Errors) -> None:
    for field in _AMOUNTS:
        for name, value in (status.get(field) or {}).items():
            check_amount(name, value, f"status.{field}.{name}", errors)


def _check_pod_cidrs(cidrs: list[str], errors: Errors) -> None:
    good = [check_cidr(cidr, f"spec.podCIDRs[{i}]", errors) for i, cidr in enumerate(cidrs)]
    if len(cidrs) < 2:
        return
    families = {family_of(cidr.partition("/")[0]) for cidr in cidrs}
    if all(good) and (len(families) < 2 or len(cidrs) > 2):
        errors.append(invalid_value("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family"))
    for i, cidr in enumerate(cidrs):
        if cidr in cidrs[:i]:
            errors.append(duplicate(f"spec.podCIDRs[{i}]", cidr))


def validate(obj: Node) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    _check_taints(spec.get("taints") or [], errors)
    _check_amounts(obj.get("status") or {}, errors)
    _check_pod_cidrs(spec.get("podCIDRs") or [], errors)
    return errors


def _check_addresses(addresses: list[Node], errors: Errors) -> None:
    for i, address in enumerate(addresses):
        if address in addresses[:i]:
            shown = {"Type": address.get("type") or "", "Address": address.get("address") or ""}
            errors.append(duplicate(f"status.addresses[{i}]", shown))


def validate_update(obj: Node, old: Node) -> list[FieldError]:
    errors: Errors = []
    spec, before = obj.get("spec") or {}, old.get("spec") or {}
    _check_addresses((obj.get("status") or {}).get("addresses") or [], errors)
    if before.get("podCIDRs") and before["podCIDRs"] != spec.get("podCIDRs"):
        errors.append(forbidden("spec.podCIDRs", _ONCE.format("podCIDR")))
    if before.get("providerID") and before["providerID"] != spec.get("providerID"):
        errors.append(forbidden("spec.providerID", _ONCE.format("providerID")))
    if (before.get("externalID") or "") != (spec.get("externalID") or ""):
        errors.append(forbidden("spec.externalID", "may not be updated"))
    return errors


def validate_status_update(obj: Node, old: Node) -> list[FieldError]:
    errors: Errors = []
    _check_amounts(obj.get("status") or {}, errors)
    return errors + validate_update(obj, old)


def _status_word(obj: Node) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = [c for c in conditions if c.get("type") == "Ready"]
    word = "Unknown"
    if ready:
        word = "Ready" if ready[-1].get("status") == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else word


def _roles(obj: Node) -> str:
    labels = obj["metadata"].get("labels") or {}
    roles = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    roles.add(labels.get(_ROLE) or "")
    return ",".join(sorted(roles - {""})) or NONE


def _address(status: Node, kind: str) -> str:
    of_kind = (a.get("address") or "" for a in status.get("addresses") or () if a.get("type") == kind)
    return next(of_kind, NONE)


def row(obj: Node, now: datetime) -> Sequence[Cell]:
    meta, status = obj["metadata"], obj.get("status") or {}
    info = status.get("nodeInfo") or {}
    return (
        meta["name"],
        _status_word(obj),
        _roles(obj),
        age(meta.get("creationTimestamp"), now),
        info.get("kubeletVersion") or "",
        _address(status, "InternalIP"),
        _address(status, "ExternalIP"),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    )


def _unschedulable(obj: Node) -> str:
    return "true" if (obj.get("spec") or {}).get("unschedulable") else "false"


RULES = register(
    KindRules(
        group="",
        kind="Node",
        default=default,
        prepare_status_update=default_status,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_status_update,
        selectable_fields=lambda obj: {"spec.unschedulable": _unschedulable(obj)},
        field_names=frozenset(("spec.unschedulable",)),
        columns=(
            NAME_COLUMN,
            Column("Status", description="Whether the node is ready, and whether new pods may come."),
            Column("Roles", description="What the node is for, from its labels."),
            AGE_COLUMN,
            Column("Version", description="The version of its kubelet."),
            Column("Internal-IP", description="Its address inside the cluster.", priority=1),
            Column("External-IP", description="Its address for the outside.", priority=1),
            Column("OS-Image", description="Its operating system.", priority=1),
            Column("Kernel-Version", description="Its kernel.", priority=1),
            Column("Container-Runtime", description="What runs its containers.", priority=1),
        ),
        row=row,
        counts_generation=False,
        extra={"status_on_create": True},
    )
)
