from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from apiserver.admission.base import Attributes
from apiserver.admission.cluster_ip import ClusterIP
from apiserver.api.kinds.service import RULES
from apiserver.api.status import InternalError, Invalid
from apiserver.authn import User
from apiserver.rest.endpoint import Endpoints
from apiserver.store.base import StoredResource

Obj = dict[str, Any]


class Others:
    """The Services that there are."""

    def __init__(self, *services: Obj) -> None:
        self.services = services

    async def lookup(
        self, resource: StoredResource, namespace: str, name: str, *, live: bool = False
    ) -> Mapping[str, Any] | None:
        return None

    async def catch_up(self) -> None:
        """There is nothing to wait for."""

    def each(self, resource: StoredResource, namespace: str = "") -> Iterable[Mapping[str, Any]]:
        return self.services


def service(name: str = "web", **spec: Any) -> Obj:
    made = {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}
    RULES.default(made)
    return made


def having(name: str, ip: str, *node_ports: int) -> Obj:
    ports = [{"port": n, "nodePort": n} for n in node_ports]
    kind = "NodePort" if node_ports else "ClusterIP"
    return service(name, type=kind, clusterIP=ip, clusterIPs=[ip], **({"ports": ports} if ports else {}))


async def admit(new: Obj, *others: Obj, old: Obj | None = None, addresses: str = "10.96.0.0/16") -> Obj:
    endpoint = Endpoints().find("", "v1", "services")
    assert endpoint is not None
    plugin = ClusterIP(Others(*others), addresses)
    attributes = Attributes(
        operation="UPDATE" if old else "CREATE",
        endpoint=endpoint,
        subresource="",
        namespace="default",
        name="web",
        user=User("somebody"),
        obj=new,
        old=old,
    )
    await plugin.admit(attributes)
    spec: Obj = new["spec"]
    return spec


async def refused(new: Obj, *others: Obj, **more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        await admit(new, *others, **more)
    return caught.value.message.removeprefix('Service "web" is invalid: ')


async def test_every_service_gets_an_address_of_its_own() -> None:
    others = [having(f"s{n}", f"10.0.0.{n}") for n in range(1, 6)]
    spec = await admit(service(), *others, addresses="10.0.0.0/29")
    assert spec["clusterIP"] == "10.0.0.6"
    assert spec["clusterIPs"] == ["10.0.0.6"]


async def test_a_range_that_is_used_up_is_said_to_be_so() -> None:
    others = [having(f"s{n}", f"10.0.0.{n}") for n in range(1, 7)]
    with pytest.raises(InternalError, match="range is full"):
        await admit(service(), *others, addresses="10.0.0.0/29")


async def test_an_address_may_be_asked_for_once_and_within_the_range() -> None:
    assert (await admit(service(clusterIP="10.96.0.7")))["clusterIPs"] == ["10.96.0.7"]
    assert await refused(service(clusterIP="10.96.0.7"), having("a", "10.96.0.7")) == (
        'spec.clusterIPs: Invalid value: ["10.96.0.7"]: failed to allocate IP 10.96.0.7: '
        "provided IP is already allocated"
    )
    assert await refused(service(clusterIP="10.1.0.7")) == (
        'spec.clusterIPs: Invalid value: ["10.1.0.7"]: failed to allocate IP 10.1.0.7: '
        "the provided IP (10.1.0.7) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
    )


@pytest.mark.parametrize("asked", ["None", "foo", "10.96.0.0.1"])
async def test_what_is_no_address_is_left_to_validation(asked: str) -> None:
    assert (await admit(service(clusterIP=asked)))["clusterIPs"] == [asked]


async def test_external_names_have_no_address() -> None:
    assert "clusterIP" not in await admit(service(type="ExternalName", externalName="a.b"))


async def test_an_update_keeps_what_there_is() -> None:
    old = having("web", "10.96.0.7", 30005)
    spec = await admit(service(type="NodePort"), old, old=old)
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.0.7", 30005)


async def test_node_ports_are_given_asked_for_and_refused() -> None:
    other = having("a", "10.96.0.9", 30000)
    assert (await admit(service(type="NodePort"), other))["ports"][0]["nodePort"] == 30001
    asked = service(type="NodePort", ports=[{"port": 80, "nodePort": 30000}, {"port": 81, "nodePort": 80}])
    assert await refused(asked, other) == (
        "[spec.ports[0].nodePort: Invalid value: 30000: provided port is already allocated, "
        "spec.ports[1].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767]"
    )


async def test_a_balancer_gets_ports_unless_it_wants_none_and_a_probe_where_it_needs_one() -> None:
    spec = await admit(service(type="LoadBalancer", externalTrafficPolicy="Local"))
    assert (spec["ports"][0]["nodePort"], spec["healthCheckNodePort"]) == (30000, 30001)
    none = service(type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert "nodePort" not in (await admit(none))["ports"][0]


async def test_one_port_for_two_protocols_is_one_node_port() -> None:
    ports = [{"port": 53, "nodePort": 30053}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]
    assert len((await admit(service(type="NodePort", ports=ports)))["ports"]) == 2
