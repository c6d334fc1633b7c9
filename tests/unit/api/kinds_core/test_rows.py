"""What `kubectl get` shows of one whole object of each kind."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import base
from apiserver.api.kinds.base import KindRules
from tests.unit.api.kinds_core.whole import WHOLE
from tests.unit.api.kinds_workloads.objects import NOW

ROWS: dict[str, tuple[Any, ...]] = {
    "Endpoints": ("a", "10.0.0.1:80,10.0.0.1:81", "2m"),
    "EndpointSlice": ("a", "IPv4", "80", "10.0.0.1", "2m"),
    "ResourceQuota": ("a", "pods: 1/10", "limits.memory: 0/1Gi", "2m"),
    "RoleBinding": ("a", "ClusterRole/r", "2m", "c", "d", "b/a"),
    "ClusterRoleBinding": ("node-1", "ClusterRole/r", "2m", "c", "d", "b/a"),
    "PersistentVolume": (
        "node-1", "1Gi", "RWO,ROX", "Retain", "Bound", "a/b", "fast", "gold", "r", "2m", "Filesystem",
    ),
    "PersistentVolumeClaim": ("a", "Bound", "v", "1Gi", "RWO", "fast", "gold", "2m", "Filesystem"),
    "StorageClass": ("node-1", "a.b/c", "Delete", "Immediate", True, "2m"),
    "VolumeAttributesClass": ("node-1", "a.b", "2m"),
    "CSIDriver": ("node-1", True, False, False, "a", False, "Persistent,Ephemeral", "2m"),
    "CSINode": ("node-1", 1, "2m"),
    "CSIStorageCapacity": ("a", "fast", "1Gi"),
    "VolumeAttachment": ("node-1", "a.b", "v", "n", True, "2m"),
    "Ingress": ("a", "c", "*.example.com", "192.0.2.1", "80, 443", "2m"),
    "IngressClass": ("node-1", "a.b/c", "K.a.b/n", "2m"),
    "NetworkPolicy": ("a", "a=b,c", "2m"),
    "ServiceCIDR": ("node-1", "10.96.0.0/16,fd00::/112", "2m"),
    "IPAddress": ("10.96.0.1", "services.a.b/c/d"),
    "CertificateSigningRequest": ("node-1", "2m", "example.com/a", "u", "10m", "Approved,Failed,Issued"),
    "ValidatingWebhookConfiguration": ("node-1", 1, "2m"),
    "MutatingWebhookConfiguration": ("node-1", 1, "2m"),
    "ValidatingAdmissionPolicy": ("node-1", 1, "v1/ConfigMap", "2m"),
    "MutatingAdmissionPolicy": ("node-1", 1, "v1/ConfigMap", "2m"),
    "ValidatingAdmissionPolicyBinding": ("node-1", "a", "b/a", "2m"),
    "MutatingAdmissionPolicyBinding": ("node-1", "a", "b/a", "2m"),
    "APIService": ("v1.example.com", "a/b", "False (Missing)", "2m"),
    "RuntimeClass": ("node-1", "sim", "2m"),
    "FlowSchema": ("node-1", "a", 10, "ByUser", "2m", "False"),
    "PriorityLevelConfiguration": ("node-1", "Limited", 30, 64, 8, 50, "2m"),
    "ResourceClaim": ("a", "allocated,reserved", "2m"),
    "ResourceClaimTemplate": ("a", "2m"),
    "DeviceClass": ("node-1", "2m"),
    "ResourceSlice": ("node-1", "n", "d", "p", "2m"),
    "ComponentStatus": ("node-1", "Healthy", "ok", ""),
}  # fmt: skip
EMPTY: dict[str, tuple[Any, ...]] = {
    "Endpoints": ("<none>",),
    "EndpointSlice": ("", "<unset>", "<unset>"),
    "ResourceQuota": ("", ""),
    "PersistentVolume": ("0", "", "", "", "", "", "<unset>", "", "<unknown>", "<unset>"),
    "PersistentVolumeClaim": ("", "", "", "", "", "<unset>", "<unknown>", "<unset>"),
    "StorageClass": ("", "Delete", "Immediate", False),
    "CSIDriver": (True, False, False, "<unset>", False, "<none>"),
    "CSIStorageCapacity": ("", "<unset>"),
    "VolumeAttachment": ("", "", "", False),
    "Ingress": ("<none>", "*", "", "80"),
    "IngressClass": ("", "<none>"),
    "NetworkPolicy": ("<none>",),
    "CertificateSigningRequest": ("<unknown>", "<none>", "", "<none>", "Pending"),
    "ValidatingAdmissionPolicy": (0, "<unset>"),
    "ValidatingAdmissionPolicyBinding": ("", "<unset>"),
    "APIService": ("Local", "Unknown"),
    "FlowSchema": ("", 0, "<none>", "<unknown>", "?"),
    "PriorityLevelConfiguration": ("", "<none>", "<none>", "<none>", "<none>"),
    "ResourceClaim": ("pending",),
    "ComponentStatus": ("Unknown", "", ""),
}
BY_KIND = {rules.kind: (rules, whole) for rules, whole in WHOLE}


def cells(rules: KindRules, obj: dict[str, Any]) -> tuple[Any, ...]:
    assert rules.row is not None
    return tuple(rules.row(obj, NOW))


@pytest.mark.parametrize("kind", ROWS)
def test_a_whole_object_is_shown_in_full(kind: str) -> None:
    rules, whole = BY_KIND[kind]
    made = copy.deepcopy(whole)
    rules.default(made)
    assert cells(rules, made) == ROWS[kind]


@pytest.mark.parametrize("kind", EMPTY)
def test_an_empty_object_is_shown_as_one(kind: str) -> None:
    rules, _ = BY_KIND[kind]
    expected = EMPTY[kind]
    assert cells(rules, {"metadata": {"name": "a"}})[1 : 1 + len(expected)] == expected


def test_every_kind_with_columns_has_a_row() -> None:
    for rules in base._RULES.values():
        assert bool(rules.columns) == (rules.row is not None), rules.kind


def test_long_lists_are_cut() -> None:
    rules, _ = BY_KIND["EndpointSlice"]
    ports = [{"port": n} for n in (1, 2, 3, 4)] + [{"name": "a"}]
    made = {"metadata": {"name": "a"}, "ports": ports, "endpoints": [{"addresses": ["10.0.0.1"]}] * 5}
    assert cells(rules, made)[2:4] == ("1,2,3 + 2 more...", "10.0.0.1,10.0.0.1,10.0.0.1 + 2 more...")
    ingress, _ = BY_KIND["Ingress"]
    rules_of = [{"host": host} for host in "abcd"]
    assert cells(ingress, {"metadata": {"name": "a"}, "spec": {"rules": rules_of}})[2] == "a,b,c + 1 more..."


def test_addresses_of_both_families_are_written_with_their_ports() -> None:
    rules, _ = BY_KIND["Endpoints"]
    subsets = [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}, {"addresses": [{"ip": "10.0.0.1"}]}]
    assert cells(rules, {"metadata": {"name": "a"}, "subsets": subsets})[1] == "[fd00::1]:80,10.0.0.1"
    assert cells(rules, {"metadata": {"name": "a"}, "subsets": [{"notReadyAddresses": []}]})[1] == "<unset>"


def test_default_classes_are_marked() -> None:
    rules, whole = BY_KIND["StorageClass"]
    made = copy.deepcopy(whole)
    made["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    assert cells(rules, made)[0] == "node-1 (default)"
