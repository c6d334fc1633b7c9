"""Subscription: a durable watch as an object. What it selects, where its cursor begins, and how far it is.

The consumer behind it is made and removed by `apiserver.subscriptions`; a finalizer keeps the object until it is gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import check_selector
from apiserver.api.kinds.base import Cell, Column, KindRules, register
from apiserver.api.names import dns1123_label

Subscription = dict[str, Any]

FINALIZER = "broker.backbeat.dev/consumer"
MOST_RESOURCES = 64
MIN_SECONDS, MAX_SECONDS, DEFAULT_SECONDS = 60, 604_800, 3_600
_STARTS = ("Now", "Everything", "ResourceVersion")


def default(obj: Subscription) -> None:
    start = obj.setdefault("spec", {}).setdefault("start", {})
    if not start.get("from"):
        start["from"] = "ResourceVersion" if start.get("resourceVersion") else "Now"


def prepare_create(obj: Subscription) -> None:
    begun = (obj.get("status") or {}).get("startResourceVersion")  # written by admission
    obj["status"] = {"startResourceVersion": begun} if begun else {}
    finalizers = obj["metadata"].setdefault("finalizers", [])
    if FINALIZER not in finalizers:
        finalizers.append(FINALIZER)


def validate(obj: Subscription) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    resources = spec.get("resources") or []
    if not resources:
        errors.append(required("spec.resources", "at least one resource must be selected"))
    if len(resources) > MOST_RESOURCES:
        errors.append(invalid_value("spec.resources", len(resources), f"at most {MOST_RESOURCES} may be selected"))
    for i, one in enumerate(resources):
        _check_resource(one, f"spec.resources[{i}]", errors)
    _check_where(spec, resources, errors)
    check_selector(spec.get("labelSelector"), "spec.labelSelector", errors)
    _check_start(spec.get("start") or {}, errors)
    return errors


def _check_resource(one: Mapping[str, Any], path: str, errors: Errors) -> None:
    group, resource = one.get("group") or "", one.get("resource") or ""
    if not resource:
        errors.append(required(f"{path}.resource"))
    elif "/" in resource:
        errors.append(invalid_value(f"{path}.resource", resource, "subresources have no changes of their own"))
    if resource == "*" and one.get("name"):
        errors.append(forbidden(f"{path}.name", 'may not be set where resource is "*"'))
    if group == "*" and resource != "*":
        errors.append(invalid_value(f"{path}.group", group, 'may be "*" only where resource is "*"'))


def _check_where(spec: Mapping[str, Any], resources: Sequence[Mapping[str, Any]], errors: Errors) -> None:
    namespace, node = spec.get("namespace") or "", spec.get("node") or ""
    if namespace:
        errors.extend(invalid_value("spec.namespace", namespace, told) for told in dns1123_label(namespace))
    selected = {(r.get("group") or "", r.get("resource")) for r in resources}
    if node and ("", "pods") not in selected:
        errors.append(forbidden("spec.node", "may be set only where pods are selected"))
    elif node and not selected.isdisjoint({("", "*"), ("*", "*")}):
        errors.append(forbidden("spec.node", 'may not be set where "*" selects the pods of all nodes'))


def _check_start(start: Mapping[str, Any], errors: Errors) -> None:
    begins, version = start.get("from"), start.get("resourceVersion") or ""
    if begins not in _STARTS:
        errors.append(not_supported("spec.start.from", begins, _STARTS))
    elif begins == "ResourceVersion" and not version:
        errors.append(required("spec.start.resourceVersion", "when `from` is ResourceVersion"))
    elif begins != "ResourceVersion" and version:
        errors.append(forbidden("spec.start.resourceVersion", f"may not be set when `from` is {begins}"))
    if version and not is_version(version):
        errors.append(invalid_value("spec.start.resourceVersion", version, "must be a resourceVersion"))


def is_version(text: str) -> bool:
    """A resourceVersion: a number that a stream sequence can be."""
    return text.isascii() and text.isdigit() and int(text[:20]) < 2**63


def validate_update(obj: Subscription, old: Subscription) -> list[FieldError]:
    errors: Errors = []
    if (obj.get("spec") or {}).get("start") != (old.get("spec") or {}).get("start"):
        errors.append(invalid_value("spec.start", obj["spec"].get("start"), "field is immutable"))
    return errors


def check_credentials(obj: Subscription) -> list[FieldError]:
    """What a request for credentials may ask."""
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    if seconds is None or MIN_SECONDS <= seconds <= MAX_SECONDS:
        return []
    told = f"may not be less than {MIN_SECONDS} or greater than {MAX_SECONDS} seconds"
    return [invalid_value("spec.expirationSeconds", seconds, told)]


def listens_to(spec: Mapping[str, Any]) -> str:
    """`pods,deployments.apps in default`."""
    names = sorted({_named(one) for one in spec.get("resources") or ()})
    where = f" in {spec['namespace']}" if spec.get("namespace") else ""
    on = f" on {spec['node']}" if spec.get("node") else ""
    return ",".join(names) + where + on


def _named(one: Mapping[str, Any]) -> str:
    group, resource = one.get("group") or "", one.get("resource") or ""
    if group == "*":
        return "*"
    named = f"/{one['name']}" if one.get("name") else ""
    return (f"{resource}.{group}" if group else resource) + named


def state_of(obj: Subscription) -> str:
    """`Expired`, `Ready`, or the reason why it is not."""
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    conditions = {c["type"]: c for c in (obj.get("status") or {}).get("conditions") or ()}
    if conditions.get("Expired", {}).get("status") == "True":
        return "Expired"
    ready = conditions.get("Ready")
    if ready is None:
        return "Pending"
    return "Ready" if ready["status"] == "True" else str(ready.get("reason") or "NotReady")


def row(obj: Subscription, now: datetime) -> Sequence[Cell]:
    meta, status = obj["metadata"], obj.get("status") or {}
    return (
        meta["name"],
        listens_to(obj.get("spec") or {}),
        status.get("acknowledged") or 0,
        status.get("lag") or 0,
        age(status["lastSeen"], now) if status.get("lastSeen") else "<never>",
        state_of(obj),
        age(meta.get("creationTimestamp"), now),
        status.get("delivered") or 0,
        status.get("consumer") or "",
    )


RULES = register(
    KindRules(
        group="broker.backbeat.dev",
        kind="Subscription",
        default=default,
        prepare_create=prepare_create,
        validate=validate,
        validate_update=validate_update,
        columns=(
            NAME_COLUMN,
            Column("Listens to", description="The selected resources."),
            Column("Acknowledged", "integer", description="The resourceVersion up to which everything is done."),
            Column("Lag", "integer", description="Selected changes that are not acknowledged yet."),
            Column("Last seen", description="How long ago a subscriber asked or acknowledged."),
            Column("State", description="Ready, Expired, or why it is not ready."),
            AGE_COLUMN,
            Column("Delivered", "integer", description="The last change that was delivered.", priority=1),
            Column("Consumer", description="The JetStream consumer.", priority=1),
        ),
        row=row,
    )
)
