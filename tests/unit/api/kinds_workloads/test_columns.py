from __future__ import annotations

import json
from importlib import resources

import pytest

from apiserver.api.kinds.base import rules_for
from apiserver.api.resources import REGISTRY

COLUMNS = json.loads(resources.files("apiserver.api").joinpath("data/columns-1.36.json").read_text())
OTHER_NAMES = {
    "ClusterRoleBinding": "clusterRoleBindings",
    "CSIDriver": "csiDriver",
    "CSINode": "csiNode",
    "CSIStorageCapacity": "csiStorageCapacity",
    "Endpoints": "endpoint",
    "IPAddress": "ipAddress",
    "MutatingWebhookConfiguration": "mutatingWebhook",
    "PriorityLevelConfiguration": "priorityLevel",
    "ResourceSlice": "nodeResourceSlice",
    "RoleBinding": "roleBindings",
    "ValidatingWebhookConfiguration": "validatingWebhook",
}
"""Kinds whose printers are not named like them."""
MORE = {"CSIDriver": ["TokenRequests", "RequiresRepublish", "Modes", "Age"]}
"""Columns that upstream's printer adds after the first list of them."""
NOT_SERVED = {
    "clusterTrustBundle", "deviceTaint", "leaseCandidate", "podCertificateRequest", "podGroup",
    "resourcePoolStatusRequest", "scale", "status", "storageVersion", "storageVersionMigration", "workload",
}  # fmt: skip
"""Not kinds of stable groups that can be listed."""


def key_of(kind: str) -> str:
    return OTHER_NAMES.get(kind, kind[0].lower() + kind[1:])


SHOWN = sorted({(r.group, r.kind) for r in REGISTRY.all() if "list" in r.verbs and key_of(r.kind) in COLUMNS})


@pytest.mark.parametrize(("group", "kind"), SHOWN)
def test_columns_are_those_of_upstreams_printers(group: str, kind: str) -> None:
    columns = [[c.name, c.type, c.format, c.priority] for c in rules_for(group, kind).columns]
    expected = COLUMNS[key_of(kind)]
    assert columns[: len(expected)] == expected
    assert [name for name, *_ in columns[len(expected) :]] == MORE.get(kind, [])


def test_no_printer_of_a_served_kind_is_left_out() -> None:
    assert COLUMNS.keys() - {key_of(kind) for _, kind in SHOWN} == NOT_SERVED
