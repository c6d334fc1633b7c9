"""Role, ClusterRole and their bindings: who may do what. A binding keeps its role: another one is another binding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of
from apiserver.api.kinds._checks import Errors, check_name, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._label_selectors import check_selector
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Obj = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")
_URLS = "nonResourceURLs"


def _check_rule(rule: Obj, path: str, errors: Errors, *, namespaced: bool) -> None:
    if not rule.get("verbs"):
        errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    groups, resources, resource_names = rule.get("apiGroups"), rule.get("resources"), rule.get("resourceNames")
    urls = rule.get(_URLS)
    if urls:
        if namespaced:
            told = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid_value(f"{path}.{_URLS}", urls, told))
        if groups or resources or resource_names:
            told = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid_value(f"{path}.{_URLS}", urls, told))
        return
    if not groups:
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not resources:
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    if resource_names and len(resources or ()) > 1:
        errors.append(required(f"{path}.resourceNames", "resource names cannot apply to multiple resources"))


def _validate_role(*, namespaced: bool) -> Callable[[Obj], list[FieldError]]:
    def validate(obj: Obj) -> list[FieldError]:
        errors: Errors = []
        for i, rule in enumerate(obj.get("rules") or ()):
            _check_rule(rule, f"rules[{i}]", errors, namespaced=namespaced)
        for i, selector in enumerate((obj.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()):
            check_selector(selector, f"aggregationRule.clusterRoleSelectors[{i}]", errors)
        if obj.get("aggregationRule") is not None and not obj["aggregationRule"].get("clusterRoleSelectors"):
            path = "aggregationRule.clusterRoleSelectors"
            errors.append(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"))
        return errors

    return validate


def default_binding(obj: Obj) -> None:
    role = obj.setdefault("roleRef", {})
    if not role.get("apiGroup"):
        role["apiGroup"] = GROUP
    for subject in obj.get("subjects") or ():
        if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
            subject["apiGroup"] = GROUP


def _check_subject(subject: Obj, path: str, errors: Errors, *, namespaced: bool) -> None:
    name, group, kind = subject.get("name") or "", subject.get("apiGroup") or "", subject.get("kind") or ""
    if not name:
        errors.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            check_name(name, f"{path}.name", errors, rule=dns_subdomain)
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if not name:
            errors.append(invalid_value(f"{path}.name", name, f"{kind.lower()} name cannot be empty"))
        if group != GROUP:
            errors.append(not_supported(f"{path}.apiGroup", group, [GROUP]))
    else:
        errors.append(not_supported(f"{path}.kind", kind, _SUBJECTS))


def _validate_binding(*, namespaced: bool) -> Callable[[Obj], list[FieldError]]:
    roles = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)

    def validate(obj: Obj) -> list[FieldError]:
        errors: Errors = []
        role = obj.get("roleRef") or {}
        group, kind, name = role.get("apiGroup") or "", role.get("kind") or "", role.get("name") or ""
        if group != GROUP:
            errors.append(not_supported("roleRef.apiGroup", group, [GROUP]))
        if kind not in roles:
            errors.append(not_supported("roleRef.kind", kind, roles))
        if not name:
            errors.append(required("roleRef.name"))
        errors.extend(invalid_value("roleRef.name", name, told) for told in names.path_segment(name))
        for i, subject in enumerate(obj.get("subjects") or ()):
            _check_subject(subject, f"subjects[{i}]", errors, namespaced=namespaced)
        return errors

    return validate


def _role_stays(obj: Obj, old: Obj) -> list[FieldError]:
    role = obj.get("roleRef")
    return [] if role == old.get("roleRef") else [invalid_value("roleRef", role, "cannot change roleRef")]


def _names_of(obj: Obj, kind: str) -> str:
    return ", ".join(s.get("name") or "" for s in obj.get("subjects") or () if s.get("kind") == kind)


def _accounts(obj: Obj) -> str:
    accounts = (s for s in obj.get("subjects") or () if s.get("kind") == "ServiceAccount")
    return ", ".join(f"{s.get('namespace') or ''}/{s.get('name') or ''}" for s in accounts)


def _row(obj: Obj, now: datetime) -> Sequence[Cell]:
    role = obj.get("roleRef") or {}
    return (
        obj["metadata"]["name"],
        f"{role.get('kind') or ''}/{role.get('name') or ''}",
        age_of(obj, now),
        _names_of(obj, "User"),
        _names_of(obj, "Group"),
        _accounts(obj),
    )


_COLUMNS = (
    NAME_COLUMN,
    Column("Role", description="What is allowed."),
    AGE_COLUMN,
    Column("Users", description="To whom.", priority=1),
    Column("Groups", description="To which groups.", priority=1),
    Column("ServiceAccounts", description="To which service accounts.", priority=1),
)


def _role(kind: str, *, namespaced: bool) -> KindRules:
    return KindRules(
        group=GROUP,
        kind=kind,
        validate=_validate_role(namespaced=namespaced),
        validate_name=names.path_segment,
        counts_generation=False,
        create_on_update=True,
    )


def _binding(kind: str, *, namespaced: bool) -> KindRules:
    return KindRules(
        group=GROUP,
        kind=kind,
        default=default_binding,
        validate=_validate_binding(namespaced=namespaced),
        validate_update=_role_stays,
        validate_name=names.path_segment,
        columns=_COLUMNS,
        row=_row,
        counts_generation=False,
        create_on_update=True,
    )


ROLE = register(_role("Role", namespaced=True))
CLUSTER_ROLE = register(_role("ClusterRole", namespaced=False))
ROLE_BINDING = register(_binding("RoleBinding", namespaced=True))
CLUSTER_ROLE_BINDING = register(_binding("ClusterRoleBinding", namespaced=False))
