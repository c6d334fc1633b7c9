from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds.node import RULES
from tests.unit.api.kinds_core.objects import a_node
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created, told

READY = {"type": "Ready", "status": "True"}


def cells(made: dict[str, Any]) -> tuple[Any, ...]:
    assert RULES.row is not None
    return tuple(RULES.row(made, NOW))


def test_a_new_node_keeps_its_status_and_its_amounts_are_written_one_way() -> None:
    made = created(RULES, a_node(status={"capacity": {"cpu": "2000m", "memory": "1024Mi"}}))
    assert made["status"]["capacity"] == {"cpu": "2", "memory": "1Gi"}
    assert made["status"]["allocatable"] == made["status"]["capacity"]
    assert RULES.extra["status_on_create"]


def test_the_older_field_of_pod_addresses_follows_the_newer() -> None:
    assert created(RULES, a_node(spec={"podCIDRs": ["10.0.0.0/24"]}))["spec"]["podCIDR"] == "10.0.0.0/24"
    assert created(RULES, a_node(spec={"podCIDR": "10.0.0.0/24"}))["spec"]["podCIDRs"] == ["10.0.0.0/24"]
    both = a_node(spec={"podCIDR": "10.0.0.0/24", "podCIDRs": ["10.1.0.0/24"]})
    assert created(RULES, both)["spec"]["podCIDRs"] == ["10.0.0.0/24"]


def test_taints_are_checked_and_unique() -> None:
    taint = {"key": "a", "effect": "NoSchedule"}
    assert complaints(RULES, a_node(spec={"taints": [taint, taint, {"key": "a", "effect": "NoExecute"}]})) == [
        (
            'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"","Effect":"NoSchedule","TimeAdded":null}: '
            "taints must be unique by key and effect pair"
        )
    ]
    found = complaints(RULES, a_node(spec={"taints": [{"value": "!"}, {"key": "a", "effect": "Never"}]}))
    assert found[0] == 'metadata.taints[0].key: Invalid value: "": name part must be non-empty'
    assert "metadata.taints[0].effect: Required value" in found
    assert found[-1].startswith('metadata.taints[1].effect: Unsupported value: "Never": supported values: ')


def test_amounts_are_whole_and_not_negative() -> None:
    status = {"capacity": {"pods": "1500m"}, "allocatable": {"cpu": "-1"}}
    assert complaints(RULES, a_node(status=status)) == [
        'status.capacity.pods: Invalid value: "1500m": must be an integer',
        'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
    ]


def test_a_node_has_one_range_of_pod_addresses_for_each_family() -> None:
    assert complaints(RULES, a_node(spec={"podCIDRs": ["10.0.0.0/24", "fd00::/64"]})) == []
    assert complaints(RULES, a_node(spec={"podCIDRs": ["10.0.0.0/24", "10.0.0.0/24"]})) == [
        (
            'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.0.0.0/24"]: '
            "may specify no more than one CIDR for each IP family"
        ),
        'spec.podCIDRs[1]: Duplicate value: "10.0.0.0/24"',
    ]


def test_what_is_set_once_stays() -> None:
    old = created(RULES, a_node(spec={"podCIDR": "10.0.0.0/24", "providerID": "a"}))
    new = copy.deepcopy(old)
    new["spec"] = {"unschedulable": True, "taints": [{"key": "a", "effect": "NoSchedule"}], "externalID": "x"}
    assert told(RULES.validate_update(new, old)) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
        "spec.externalID: Forbidden: may not be updated",
    ]
    assert told(RULES.validate_update(old, a_node(spec={}))) == []


def test_a_status_has_each_address_once() -> None:
    address = {"type": "InternalIP", "address": "10.0.0.1"}
    made = a_node(spec={}, status={"addresses": [address, dict(address)]})
    assert told(RULES.validate_status_update(made, made)) == [
        'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"10.0.0.1"}'
    ]


@pytest.mark.parametrize(
    ("conditions", "unschedulable", "word"),
    [
        ([READY], False, "Ready"),
        ([READY], True, "Ready,SchedulingDisabled"),
        ([{"type": "Ready", "status": "Unknown"}], False, "NotReady"),
        ([{"type": "DiskPressure", "status": "True"}], True, "Unknown,SchedulingDisabled"),
        ([], False, "Unknown"),
    ],
)
def test_the_status_word(conditions: list[dict[str, Any]], unschedulable: bool, word: str) -> None:
    made = a_node(spec={"unschedulable": unschedulable}, status={"conditions": conditions})
    assert cells(made)[1] == word
    assert RULES.selectable_fields(made) == {"spec.unschedulable": str(unschedulable).lower()}


def test_a_nodes_row_says_what_it_is() -> None:
    made = a_node(
        status={
            "conditions": [READY],
            "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Debian"},
            "addresses": [
                {"type": "Hostname", "address": "h"},
                {"type": "InternalIP", "address": "10.0.0.1"},
                {"type": "InternalIP", "address": "fd00::1"},
            ],
        }
    )
    made["metadata"]["labels"] = {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "edge"}
    assert cells(made) == (
        "node-1", "Ready", "edge,worker", "2m", "v1.36.0", "10.0.0.1", "<none>", "Debian", "<unknown>", "<unknown>",
    )  # fmt: skip
    assert cells(a_node())[1:3] == ("Unknown", "<none>")
