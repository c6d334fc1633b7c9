"""StatefulSet: pods that are told apart by number and keep their volumes. Little of it may change after create."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_choice, check_name, check_not_negative, dns_label
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._percents import check_at_most_all, check_positive, number
from apiserver.api.kinds._podtemplate import (
    WIDE_COLUMNS,
    check_at_most,
    check_collision_count,
    check_counts,
    check_required_selector,
    check_selected,
    check_template,
    default_template,
    template_cells,
)
from apiserver.api.kinds._volume_defaults import default_claim_spec
from apiserver.api.kinds.base import Cell, Column, KindRules, register

StatefulSet = dict[str, Any]

_MAY_CHANGE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip
_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_COUNTS = (
    "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration",
    "collisionCount",
)  # fmt: skip
_RETENTION = ("whenDeleted", "whenScaled")


def _default_strategy(spec: StatefulSet) -> None:
    strategy = spec.get("updateStrategy") or {}
    spec["updateStrategy"] = strategy
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = rolling
        for field, value in (("partition", 0), ("maxUnavailable", 1)):
            if rolling.get(field) is None:
                rolling[field] = value


def _default_claims(spec: StatefulSet) -> None:
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
        claim.setdefault("metadata", {})
        default_claim_spec(claim.setdefault("spec", {}))
        claim["status"] = {"phase": "Pending"}


def default(obj: StatefulSet) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    _default_strategy(spec)
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    spec["persistentVolumeClaimRetentionPolicy"] = retention
    for field in _RETENTION:
        if not retention.get(field):
            retention[field] = "Retain"
    for field, value in (("replicas", 1), ("revisionHistoryLimit", 10)):
        if spec.get(field) is None:
            spec[field] = value
    _default_claims(spec)
    default_template(spec.setdefault("template", {}))


def prepare_create(obj: StatefulSet) -> None:
    obj["status"] = {"replicas": 0, "availableReplicas": 0}


def _check_strategy(strategy: StatefulSet, errors: Errors) -> None:
    path, kind, rolling = "spec.updateStrategy", strategy.get("type"), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if rolling is not None:
            told = "only allowed for updateStrategy 'RollingUpdate'"
            errors.append(invalid_value(f"{path}.rollingUpdate", rolling, told))
    elif kind != "RollingUpdate":
        errors.append(invalid_value(path, strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    elif rolling:
        check_not_negative(rolling.get("partition"), f"{path}.rollingUpdate.partition", errors)
        unavailable = rolling.get("maxUnavailable")
        if unavailable is not None:
            where = f"{path}.rollingUpdate.maxUnavailable"
            check_positive(unavailable, where, errors)
            check_at_most_all(unavailable, where, errors)
            if number(unavailable) == 0:
                errors.append(invalid_value(where, unavailable, "cannot be 0"))


def _with_claims(template: StatefulSet, claims: list[StatefulSet]) -> StatefulSet:
    """The template as its pods will be: claims are volumes, and win over volumes of the same name."""
    spec = template.get("spec") or {}
    names = [(claim.get("metadata") or {}).get("name") or "" for claim in claims]
    volumes = [v for v in spec.get("volumes") or () if v.get("name") not in names]
    volumes += [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(names)]
    return {**template, "spec": {**spec, "volumes": volumes}}


def _check_template(spec: StatefulSet, errors: Errors) -> None:
    template = spec.get("template") or {}
    check_selected(template, spec.get("selector") or {}, "spec.template", errors)
    claims = spec.get("volumeClaimTemplates") or []
    check_template(_with_claims(template, claims) if claims else template, "spec.template", errors)
    pod = template.get("spec") or {}
    check_choice(pod.get("restartPolicy"), "spec.template.spec.restartPolicy", errors, choices=("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        where = "spec.template.spec.activeDeadlineSeconds"
        errors.append(invalid_value(where, pod["activeDeadlineSeconds"], "must not be specified"))


def _check_policies(spec: StatefulSet, errors: Errors) -> None:
    policy = spec.get("podManagementPolicy")
    if not policy:
        errors.append(required("spec.podManagementPolicy"))
    elif policy not in ("OrderedReady", "Parallel"):
        errors.append(invalid_value("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    retention = spec.get("persistentVolumeClaimRetentionPolicy") or {}
    for field in _RETENTION:
        where = f"spec.persistentVolumeClaimRetentionPolicy.{field}"
        check_choice(retention.get(field), where, errors, choices=("Delete", "Retain"))
    if spec.get("serviceName"):
        check_name(spec["serviceName"], "spec.serviceName", errors, rule=dns_label)


def validate(obj: StatefulSet) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    _check_policies(spec, errors)
    _check_strategy(spec.get("updateStrategy") or {}, errors)
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit"):
        check_not_negative(spec.get(field), f"spec.{field}", errors)
    check_not_negative((spec.get("ordinals") or {}).get("start"), "spec.ordinals.start", errors)
    check_required_selector(spec, errors, empty="empty selector is invalid for statefulset")
    _check_template(spec, errors)
    return errors


def validate_update(obj: StatefulSet, old: StatefulSet) -> list[FieldError]:
    before, after = (
        {k: v for k, v in o["spec"].items() if k not in _MAY_CHANGE and v not in (None, "", [])} for o in (old, obj)
    )
    return [forbidden("spec", _FIXED)] if before != after else []


def validate_status_update(obj: StatefulSet, old: StatefulSet) -> list[FieldError]:
    errors: Errors = []
    status = obj.get("status") or {}
    check_counts(status, errors, fields=_COUNTS)
    parts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    check_at_most(status, errors, fields=parts, bound="replicas", told="cannot be greater than status.replicas")
    told = "cannot be greater than status.readyReplicas"
    check_at_most(status, errors, fields=("availableReplicas",), bound="readyReplicas", told=told)
    check_collision_count(status, old.get("status") or {}, errors)
    return errors


def row(obj: StatefulSet, now: datetime) -> Sequence[Cell]:
    status, meta = obj.get("status") or {}, obj["metadata"]
    return (
        meta["name"],
        f"{status.get('readyReplicas') or 0}/{obj['spec'].get('replicas') or 0}",
        age(meta.get("creationTimestamp"), now),
        *template_cells(obj),
    )


RULES = register(
    KindRules(
        group="apps",
        kind="StatefulSet",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_status_update,
        columns=(
            NAME_COLUMN,
            Column("Ready", description="Ready pods of those asked for."),
            AGE_COLUMN,
            *WIDE_COLUMNS,
        ),
        row=row,
    )
)
