"""FlowSchema and PriorityLevelConfiguration: which requests wait for which. Kept, checked and shown; nothing waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError, duplicate, forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_name, check_not_negative, dns_label, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "flowcontrol.apiserver.k8s.io"
_MOST_PRECEDENCE = 10000
_MOST_QUEUES = 10_000_000
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_QUEUING = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}
_NAMESPACE = "each member of this list must be '*' or a DNS-1123 label; "


def default_schema(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    if not spec.get("matchingPrecedence"):
        spec["matchingPrecedence"] = 1000


def _check_subject(subject: Obj, path: str, errors: Errors) -> None:
    kind = subject.get("kind") or ""
    if kind not in _SUBJECTS:
        errors.append(not_supported(f"{path}.kind", kind, sorted(_SUBJECTS)))
        return
    for other, field in _SUBJECTS.items():
        if other != kind and subject.get(field) is not None:
            errors.append(forbidden(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{other}'"))
    field = _SUBJECTS[kind]
    who, where = subject.get(field), f"{path}.{field}"
    if who is None:
        errors.append(required(where, f"{field} is required when subject kind is '{kind}'"))
        return
    name = who.get("name") or ""
    if not name:
        errors.append(required(f"{where}.name"))
    if kind != "ServiceAccount":
        return
    if name and name != "*":
        check_name(name, f"{where}.name", errors, rule=dns_subdomain)
    if not who.get("namespace"):
        errors.append(required(f"{where}.namespace", "must specify namespace for service account"))
    else:
        check_name(who["namespace"], f"{where}.namespace", errors, rule=dns_label)


def _check_list(values: list[str], path: str, errors: Errors, *, what: str, missing: str) -> None:
    """Something, and nothing besides a wildcard."""
    if not values:
        errors.append(required(path, missing))
    elif "*" in values and len(values) > 1:
        errors.append(invalid_value(path, values, f"if '*' is present, must not specify other {what}"))


def _check_verbs(verbs: list[str], path: str, errors: Errors) -> None:
    _check_list(verbs, path, errors, what="verbs", missing="verbs must contain at least one value")
    if verbs and "*" not in verbs and not set(verbs) <= set(_VERBS):
        errors.append(not_supported(path, verbs, _VERBS))


def _check_resource_rule(rule: Obj, path: str, errors: Errors) -> None:
    _check_verbs(rule.get("verbs") or [], f"{path}.verbs", errors)
    groups, resources = rule.get("apiGroups") or [], rule.get("resources") or []
    told = "resource rules must supply at least one {0}"
    _check_list(groups, f"{path}.apiGroups", errors, what="api groups", missing=told.format("api group"))
    _check_list(resources, f"{path}.resources", errors, what="resources", missing=told.format("resource"))
    namespaces = rule.get("namespaces") or []
    if namespaces or not rule.get("clusterScope"):
        missing = "resource rules that are not cluster scoped must supply at least one namespace"
        _check_list(namespaces, f"{path}.namespaces", errors, what="namespaces", missing=missing)
    for i, namespace in enumerate(() if "*" in namespaces else namespaces):
        complaints = dns_label(namespace)
        errors.extend(invalid_value(f"{path}.namespaces[{i}]", namespace, _NAMESPACE + c) for c in complaints)


def _check_flow_rule(rule: Obj, path: str, errors: Errors) -> None:
    subjects = rule.get("subjects") or []
    if not subjects:
        errors.append(required(f"{path}.subjects", "subjects must contain at least one value"))
    for i, subject in enumerate(subjects):
        _check_subject(subject, f"{path}.subjects[{i}]", errors)
    resources, others = rule.get("resourceRules") or [], rule.get("nonResourceRules") or []
    if not resources and not others:
        errors.append(required(path, "at least one of resourceRules and nonResourceRules has to be non-empty"))
    for i, one in enumerate(resources):
        _check_resource_rule(one, f"{path}.resourceRules[{i}]", errors)
    for i, one in enumerate(others):
        where = f"{path}.nonResourceRules[{i}]"
        _check_verbs(one.get("verbs") or [], f"{where}.verbs", errors)
        urls, missing = one.get("nonResourceURLs") or [], "nonResourceURLs must contain at least one value"
        _check_list(urls, f"{where}.nonResourceURLs", errors, what="non-resource URLs", missing=missing)


def validate_schema(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec, path = obj["spec"], "spec.matchingPrecedence"
    precedence, method = spec.get("matchingPrecedence") or 0, spec.get("distinguisherMethod")
    if precedence <= 0:
        errors.append(invalid_value(path, precedence, "must be a positive value"))
    if precedence > _MOST_PRECEDENCE:
        errors.append(invalid_value(path, precedence, f"must not be greater than {_MOST_PRECEDENCE}"))
    if precedence == 1 and obj["metadata"].get("name") != "exempt":
        told = "only the schema named 'exempt' may have matchingPrecedence 1"
        errors.append(invalid_value(path, precedence, told))
    if method is not None and method.get("type") not in ("ByNamespace", "ByUser"):
        errors.append(not_supported("spec.distinguisherMethod.type", method.get("type"), ["ByNamespace", "ByUser"]))
    level, path = (spec.get("priorityLevelConfiguration") or {}).get("name"), "spec.priorityLevelConfiguration.name"
    if not level:
        errors.append(required(path, "must reference a priority level"))
    else:
        check_name(level, path, errors, rule=dns_subdomain)
    for i, rule in enumerate(spec.get("rules") or ()):
        _check_flow_rule(rule, f"spec.rules[{i}]", errors)
    return errors


def validate_schema_status(obj: Obj, old: Obj) -> list[FieldError]:
    errors: Errors = []
    seen: set[str] = set()
    for i, condition in enumerate((obj.get("status") or {}).get("conditions") or ()):
        kind, path = condition.get("type") or "", f"status.conditions[{i}].type"
        if kind in seen:
            errors.append(duplicate(path, kind))
        seen.add(kind)
        if not kind:
            errors.append(required(path, "must not be empty"))
    return errors


def schema_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    spec, method = obj.get("spec") or {}, (obj.get("spec") or {}).get("distinguisherMethod")
    conditions = (obj.get("status") or {}).get("conditions") or ()
    dangling = next((c.get("status") or "" for c in conditions if c.get("type") == "Dangling"), "?")
    return (
        obj["metadata"]["name"],
        (spec.get("priorityLevelConfiguration") or {}).get("name") or "",
        spec.get("matchingPrecedence") or 0,
        NONE if method is None else method.get("type") or "",
        age_of(obj, now),
        dangling,
    )


def default_level(obj: Obj) -> None:
    spec = obj.setdefault("spec", {})
    for field, shares in (("limited", 30), ("exempt", 0)):
        part = spec.get(field)
        if part is None:
            continue
        for name, value in (("nominalConcurrencyShares", shares), ("lendablePercent", 0)):
            if part.get(name) is None:
                part[name] = value
    queuing = ((spec.get("limited") or {}).get("limitResponse") or {}).get("queuing")
    if queuing is not None:
        for name, value in _QUEUING.items():
            if not queuing.get(name):
                queuing[name] = value


def _check_queuing(queuing: Obj, path: str, errors: Errors) -> None:
    queues, hand = queuing.get("queues") or 0, queuing.get("handSize") or 0
    for name in _QUEUING:
        if (queuing.get(name) or 0) <= 0:
            errors.append(invalid_value(f"{path}.{name}", queuing.get(name) or 0, "must be positive"))
    if queues > _MOST_QUEUES:
        told = f"must not be greater than {_MOST_QUEUES}"
        errors.append(invalid_value(f"{path}.queues", queues, told))
    if hand > queues:
        told = f"should not be greater than queues ({queues})"
        errors.append(invalid_value(f"{path}.handSize", hand, told))


def _check_limited(limited: Obj, path: str, errors: Errors) -> None:
    check_not_negative(limited.get("nominalConcurrencyShares"), f"{path}.nominalConcurrencyShares", errors)
    lendable = limited.get("lendablePercent")
    if lendable is not None and not 0 <= lendable <= 100:
        errors.append(invalid_value(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive"))
    response = limited.get("limitResponse") or {}
    kind, queuing, where = response.get("type"), response.get("queuing"), f"{path}.limitResponse"
    if kind not in ("Queue", "Reject"):
        errors.append(not_supported(f"{where}.type", kind, ["Queue", "Reject"]))
    elif kind == "Reject" and queuing is not None:
        errors.append(forbidden(f"{where}.queuing", "must be nil if limited.limitResponse.type is not Limited"))
    elif kind == "Queue" and queuing is None:
        errors.append(required(f"{where}.queuing", "must not be empty if limited.limitResponse.type is Limited"))
    elif queuing is not None:
        _check_queuing(queuing, f"{where}.queuing", errors)


def validate_level(obj: Obj) -> list[FieldError]:
    errors: Errors = []
    spec = obj["spec"]
    kind, limited, exempt = spec.get("type"), spec.get("limited"), spec.get("exempt")
    if kind not in ("Exempt", "Limited"):
        errors.append(not_supported("spec.type", kind, ["Exempt", "Limited"]))
    elif kind == "Exempt":
        if limited is not None:
            errors.append(forbidden("spec.limited", "must be nil if the type is not Limited"))
    elif limited is None:
        errors.append(required("spec.limited", "must not be empty when type is Limited"))
    else:
        if exempt is not None:
            errors.append(forbidden("spec.exempt", "must be nil if the type is Limited"))
        _check_limited(limited, "spec.limited", errors)
    return errors


def level_row(obj: Obj, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    limited = spec.get("limited")
    queuing = ((limited or {}).get("limitResponse") or {}).get("queuing")
    numbers = [NONE if queuing is None else queuing.get(name) or 0 for name in _QUEUING]
    shares = NONE if limited is None else limited.get("nominalConcurrencyShares") or 0
    return obj["metadata"]["name"], spec.get("type") or "", shares, *numbers, age_of(obj, now)


SCHEMA = register(
    KindRules(
        group=GROUP,
        kind="FlowSchema",
        default=default_schema,
        validate=validate_schema,
        validate_status_update=validate_schema_status,
        columns=(
            NAME_COLUMN,
            Column("PriorityLevel", description="What its requests count as."),
            Column("MatchingPrecedence", description="The lowest that matches decides."),
            Column("DistinguisherMethod", description="What tells its flows apart."),
            AGE_COLUMN,
            Column("MissingPL", description="Whether the priority level does not exist."),
        ),
        row=schema_row,
    )
)
LEVEL = register(
    KindRules(
        group=GROUP,
        kind="PriorityLevelConfiguration",
        default=default_level,
        validate=validate_level,
        columns=(
            NAME_COLUMN,
            Column("Type", description="Whether its requests are limited."),
            Column("NominalConcurrencyShares", description="Its share of what may run at once."),
            Column("Queues", description="How many queues it has."),
            Column("HandSize", description="How many queues a flow may use."),
            Column("QueueLengthLimit", description="How long a queue may become."),
            AGE_COLUMN,
        ),
        row=level_row,
    )
)
