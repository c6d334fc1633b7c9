from __future__ import annotations

import copy
from typing import Any

from apiserver.api.kinds import rbac
from tests.unit.api.kinds_core.objects import an_object
from tests.unit.api.kinds_workloads.objects import complaints, created, told

GROUP = "rbac.authorization.k8s.io"


def a_binding(*subjects: dict[str, Any], **role: Any) -> dict[str, Any]:
    return an_object(roleRef={"kind": "ClusterRole", "name": "r", **role}, subjects=list(subjects))


def test_rules_say_what_is_allowed_on_what() -> None:
    rule = {"resources": ["a", "b"], "resourceNames": ["c"]}
    assert complaints(rbac.ROLE, an_object(rules=[rule])) == [
        "rules[0].verbs: Required value: verbs must contain at least one value",
        "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        "rules[0].resourceNames: Required value: resource names cannot apply to multiple resources",
    ]


def test_urls_are_for_cluster_roles_alone() -> None:
    rule = {"verbs": ["get"], "nonResourceURLs": ["/a"]}
    assert complaints(rbac.CLUSTER_ROLE, an_object(rules=[rule])) == []
    assert complaints(rbac.ROLE, an_object(rules=[rule])) == [
        'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs'
    ]
    assert complaints(rbac.CLUSTER_ROLE, an_object(rules=[{**rule, "apiGroups": [""]}])) == [
        (
            'rules[0].nonResourceURLs: Invalid value: ["/a"]: '
            "rules cannot apply to both regular resources and non-resource URLs"
        )
    ]


def test_groups_are_filled_in() -> None:
    made = created(rbac.ROLE_BINDING, a_binding({"kind": "User", "name": "a"}, {"kind": "ServiceAccount", "name": "b"}))
    assert made["roleRef"]["apiGroup"] == GROUP
    assert made["subjects"] == [
        {"kind": "User", "name": "a", "apiGroup": GROUP},
        {"kind": "ServiceAccount", "name": "b"},
    ]


def test_a_cluster_binding_needs_a_cluster_role_and_accounts_with_a_namespace() -> None:
    made = a_binding({"kind": "ServiceAccount", "name": "b"}, {"kind": "Robot", "name": "c"}, kind="Role")
    assert complaints(rbac.CLUSTER_ROLE_BINDING, made) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        "subjects[0].namespace: Required value",
        'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
    ]


def test_names_need_only_fit_into_a_path() -> None:
    assert rbac.ROLE.validate_name is not None
    assert rbac.ROLE.validate_name("system:node") == []
    assert complaints(rbac.ROLE_BINDING, a_binding(name="a/b")) == [
        "roleRef.name: Invalid value: \"a/b\": may not contain '/'"
    ]


def test_a_binding_keeps_its_role() -> None:
    old = created(rbac.ROLE_BINDING, a_binding())
    new = copy.deepcopy(old)
    new["subjects"] = [{"kind": "User", "name": "a", "apiGroup": GROUP}]
    assert rbac.ROLE_BINDING.validate_update(new, old) == []
    new["roleRef"]["name"] = "other"
    (complaint,) = told(rbac.ROLE_BINDING.validate_update(new, old))
    assert complaint.startswith("roleRef: Invalid value: {")
    assert complaint.endswith(": cannot change roleRef")


def test_all_may_be_made_by_put() -> None:
    kinds = (rbac.ROLE, rbac.CLUSTER_ROLE, rbac.ROLE_BINDING, rbac.CLUSTER_ROLE_BINDING)
    assert all(rules.create_on_update and not rules.counts_generation for rules in kinds)
