"""The Node that a kubelet registers, and what it says of its health."""

from __future__ import annotations

from dataclasses import replace

from agents.kubelet import node_object as n
from agents.kubelet.machine import Free, Machine
from agents.kubelet.podspec import format_time
from agents.kubelet.runtime import RuntimeStatus, RuntimeVersion
from agents.kubelet.settings import Capacity, Pressure
from tests.unit.agents.kubelet.builders import NOW, Obj, later

MACHINE = Machine("linux", "amd64", 4, 8 * 1024**3, 100 * 1024**3, "mid", "bid", "6.1", "Debian")
HEALTHY = n.Health(RuntimeStatus(True), Free(10**10, 10**11, 10**5), Pressure())
FACTS = n.NodeFacts(
    name="node-1",
    address="127.64.0.1",
    machine=MACHINE,
    runtime=RuntimeVersion("process", "3.11.2"),
    labels=n.labels("node-1", MACHINE, {"zone": "a"}),
    capacity=n.capacity(MACHINE, Capacity(), simulated=False),
)


def statuses(health: n.Health) -> dict[str, str]:
    return {c["type"]: c["status"] for c in n.conditions((), health, NOW)}


def node(**status: object) -> Obj:
    made = n.node_object(FACTS, n.conditions((), HEALTHY, NOW))
    return {**made, "status": {**made["status"], **status}}


def test_a_node_has_names_labels_and_what_the_machine_has() -> None:
    made = node()
    assert made["metadata"]["labels"] == {
        "kubernetes.io/hostname": "node-1",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": "amd64",
        "zone": "a",
    }
    status = made["status"]
    assert status["addresses"] == [
        {"type": "InternalIP", "address": "127.64.0.1"},
        {"type": "Hostname", "address": "node-1"},
    ]
    assert status["capacity"] == status["allocatable"]
    assert status["capacity"] == {
        "cpu": "4",
        "memory": "8Gi",
        "ephemeral-storage": "100Gi",
        "pods": "110",
    }
    assert status["nodeInfo"]["kubeletVersion"] == "v1.36.0+backbeat"
    assert status["nodeInfo"]["containerRuntimeVersion"] == "process://3.11.2"


def test_capacity_may_be_told() -> None:
    told = Capacity(cpu="16", memory="1Gi", ephemeral_storage="1Gi", max_pods=5)
    assert n.capacity(MACHINE, told, simulated=True) == {
        "cpu": "16",
        "memory": "1Gi",
        "ephemeral-storage": "1Gi",
        "pods": "5",
    }
    assert n.capacity(MACHINE, Capacity(), simulated=True)["cpu"] == "32"


def test_a_healthy_node_is_ready_and_under_no_pressure() -> None:
    assert statuses(HEALTHY) == {
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
        "Ready": "True",
    }


def test_pressure_is_told() -> None:
    tight = replace(HEALTHY, free=Free(1, 1, 1))
    assert statuses(tight) == {
        "MemoryPressure": "True",
        "DiskPressure": "True",
        "PIDPressure": "True",
        "Ready": "True",
    }
    reasons = {c["reason"] for c in n.conditions((), tight, NOW)}
    assert {"KubeletHasInsufficientMemory", "KubeletHasDiskPressure", "KubeletHasInsufficientPID"} < reasons
    assert statuses(replace(HEALTHY, free=None))["DiskPressure"] == "False"


def test_a_runtime_that_does_not_work_makes_the_node_not_ready() -> None:
    made = n.conditions((), replace(HEALTHY, runtime=RuntimeStatus(False, "disk is read-only")), NOW)
    ready = next(c for c in made if c["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "KubeletNotReady", "disk is read-only")


def test_a_transition_time_changes_only_with_the_status() -> None:
    first = n.conditions((), HEALTHY, NOW)
    second = n.conditions(first, HEALTHY, later(60))
    assert {c["lastTransitionTime"] for c in second} == {format_time(NOW)}
    assert {c["lastHeartbeatTime"] for c in second} == {format_time(later(60))}
    unknown = [{**c, "status": "Unknown"} for c in first]
    assert {c["lastTransitionTime"] for c in n.conditions(unknown, HEALTHY, later(60))} == {format_time(later(60))}


def test_a_heartbeat_alone_is_no_news() -> None:
    known = node()
    later_on = n.node_status(FACTS, n.conditions(known["status"]["conditions"], HEALTHY, later(60)))
    assert n.status_patch(known, later_on) == {}


def test_what_differs_is_told() -> None:
    wanted = n.node_status(FACTS, n.conditions((), HEALTHY, NOW))
    assert n.status_patch(node(capacity={"cpu": "1"}), wanted) == {"capacity": wanted["capacity"]}
    moved = n.status_patch(node(addresses=[{"type": "InternalIP", "address": "10.0.0.1"}]), wanted)
    assert moved == {"addresses": [{"$patch": "replace"}, *wanted["addresses"]]}
    unknown = [{**c, "status": "Unknown"} for c in wanted["conditions"]]
    assert n.status_patch(node(conditions=unknown), wanted) == {"conditions": wanted["conditions"]}


def test_labels_of_others_stay() -> None:
    known = {"metadata": {"labels": {"kubernetes.io/os": "linux", "mine": "1"}}}
    assert n.missing_labels(known, {"kubernetes.io/os": "linux", "zone": "b"}) == {"zone": "b"}
