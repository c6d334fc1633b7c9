"""Whether a pod may run on a node."""

from __future__ import annotations

from typing import Any

import pytest

from agents.kubelet.admission import NodeView, Refusal, host_ports, refusal, requests
from tests.unit.agents.kubelet.builders import Obj, pod, spec

NODE = NodeView(
    "node-1", {"disk": "ssd"}, {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "3"}, "linux"
)


def asks(**amounts: str) -> Obj:
    return pod(spec(resources={"requests": amounts}))


def why(of: Obj, *others: Obj) -> Refusal | None:
    return refusal(of, NODE, others)


def test_what_fits_may_run() -> None:
    assert why(asks(cpu="1", memory="512Mi"), asks(cpu="1", memory="512Mi")) is None


@pytest.mark.parametrize(
    ("amounts", "reason", "message"),
    [
        ({"cpu": "1500m"}, "OutOfcpu", "cpu, requested: 1500, used: 1000, capacity: 2000"),
        ({"memory": "1Gi"}, "OutOfmemory", "memory, requested: 1073741824, used: 1048576, capacity: 1073741824"),
        (
            {"ephemeral-storage": "11Gi"},
            "OutOfephemeral-storage",
            "ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_upstreams_words(amounts: dict[str, str], reason: str, message: str) -> None:
    refused = why(asks(**amounts), asks(cpu="1", memory="1Mi"))
    assert refused == Refusal(reason, f"Node didn't have enough resource: {message}")


def test_a_node_has_room_for_so_many_pods() -> None:
    refused = why(pod(), pod(), pod(), pod())
    assert refused == Refusal("OutOfpods", "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3")


def test_a_resource_that_no_node_has_is_the_clusters() -> None:
    assert why(asks(**{"example.com/licence": "1"})) is None


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"nodeSelector": {"disk": "ssd"}}, True),
        ({"nodeSelector": {"disk": "hdd"}}, False),
        ({"affinity": {}}, True),
    ],
)
def test_node_selectors(more: Obj, fits: bool) -> None:
    refused = why(pod(**more))
    assert (refused is None) is fits
    if refused is not None:
        assert refused.reason == "NodeAffinity"


@pytest.mark.parametrize(("name", "fits"), [("node-1", True), ("node-2", False)])
def test_required_node_affinity(name: str, fits: bool) -> None:
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    assert (why(pod(affinity={"nodeAffinity": required})) is None) is fits


def ported(port: int = 80, **more: Any) -> Obj:
    return pod(spec(ports=[{"containerPort": port, "hostPort": port, **more}]))


def test_a_host_port_is_taken_once() -> None:
    refused = why(ported(), ported())
    assert refused is not None
    assert refused.reason == "NodePorts"
    assert why(ported(80), ported(81)) is None
    assert why(ported(protocol="UDP"), ported(protocol="TCP")) is None
    assert why(ported(hostIP="127.0.0.1"), ported(hostIP="127.0.0.2")) is None
    assert why(ported(hostIP="127.0.0.1"), ported()) is not None
    assert host_ports(pod(spec(ports=[{"containerPort": 80}]))) == set()


def test_another_operating_system() -> None:
    assert why(pod(os={"name": "linux"})) is None
    assert why(pod(os={"name": "windows"})) == Refusal(
        "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
    )


def test_requests_of_a_pod_add_up() -> None:
    whole = pod(
        spec("a", resources={"requests": {"cpu": "1"}}),
        spec("b", resources={"requests": {"cpu": "500m"}}),
        initContainers=[spec("i", resources={"requests": {"cpu": "1", "memory": "1"}})],
        overhead={"cpu": "250m"},
    )
    assert requests(whole) == {"cpu": 1_750_000_000, "memory": 10**9}
    assert requests({**whole, "spec": {**whole["spec"], "resources": {"requests": {"cpu": "3"}}}})["cpu"] == (
        3_250_000_000
    )
