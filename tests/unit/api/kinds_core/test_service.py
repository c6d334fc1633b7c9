from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds.service import RULES
from tests.unit.api.kinds_core.objects import a_service
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created, told

IP = "10.96.0.1"
LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}


def stored(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return created(RULES, a_service(*ports, **spec))


def updated(new: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    RULES.default(new)
    RULES.prepare_update(new, old)
    return new


def update_complaints(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    made = updated(new, old)
    return told(RULES.validate(made) + RULES.validate_update(made, old))


def cells(made: dict[str, Any]) -> tuple[Any, ...]:
    assert RULES.row is not None
    return tuple(RULES.row(made, NOW))


def test_a_service_gets_its_defaults() -> None:
    made = stored({"port": 80})
    assert made["spec"] == {
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
    }
    assert made["status"] == {"loadBalancer": {}}
    assert RULES.validate(made) == []


def test_a_balancer_gets_its_own_defaults() -> None:
    spec = stored(type="LoadBalancer", sessionAffinity="ClientIP")["spec"]
    assert (spec["allocateLoadBalancerNodePorts"], spec["externalTrafficPolicy"]) == (True, "Cluster")
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert stored(externalIPs=["192.0.2.1"])["spec"]["externalTrafficPolicy"] == "Cluster"


def test_a_name_is_a_label_and_may_start_with_a_digit() -> None:
    assert RULES.validate_name is not None
    assert RULES.validate_name("1web") == []
    assert RULES.validate_name("web.a")[0].startswith("a lowercase RFC 1123 label must consist of ")


def test_a_service_has_ports_unless_it_has_no_address() -> None:
    assert complaints(RULES, {"metadata": {"name": "a"}}) == ["spec.ports: Required value"]
    assert complaints(RULES, {"metadata": {"name": "a"}, "spec": {"clusterIP": "None"}}) == []
    assert (
        complaints(RULES, {"metadata": {"name": "a"}, "spec": {"type": "ExternalName", "externalName": "a.b."}}) == []
    )


@pytest.mark.parametrize(
    ("ports", "found"),
    [
        ([{}], ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"] * 1),
        (
            [{"port": 80, "protocol": "ICMP"}],
            ['spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"'],
        ),
        (
            [{"port": 80, "targetPort": "Web"}],
            [
                (
                    'spec.ports[0].targetPort: Invalid value: "Web": must contain only alpha-numeric '
                    "characters (a-z, 0-9), and hyphens (-)"
                )
            ],
        ),
        ([{"port": 80}, {"port": 81, "name": "b"}], ["spec.ports[0].name: Required value"]),
        ([{"port": 80, "name": "a"}, {"port": 81, "name": "a"}], ['spec.ports[1].name: Duplicate value: "a"']),
        ([{"port": 80, "name": "a"}, {"port": 80, "name": "b", "protocol": "UDP"}], []),
        (
            [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}],
            [
                (
                    "spec.ports[1]: Duplicate value: "
                    '{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}'
                )
            ],
        ),
        (
            [{"port": 80, "nodePort": 30000}],
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        ([{"port": 80, "appProtocol": "a/b/c"}], None),
    ],
)
def test_ports_are_checked(ports: list[dict[str, Any]], found: list[str] | None) -> None:
    told_of = complaints(RULES, a_service(*ports))
    if found is None:
        assert told_of
        assert told_of[0].startswith("spec.ports[0].appProtocol: Invalid value: ")
    else:
        assert told_of[: len(found)] == found
        assert bool(told_of) == bool(found)


def test_two_ports_may_not_share_a_node_port() -> None:
    ports = [{"port": n, "name": f"p{n}", "nodePort": 30000} for n in (1, 2)]
    assert complaints(RULES, a_service(*ports, type="NodePort")) == ["spec.ports[1].nodePort: Duplicate value: 30000"]


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (
            {"type": "Odd"},
            (
                'spec.type: Unsupported value: "Odd": supported values: "ClusterIP", "ExternalName", '
                '"LoadBalancer", "NodePort"'
            ),
        ),
        ({"type": "ExternalName"}, "spec.externalName: Required value"),
        (
            {"type": "ExternalName", "externalName": "a", "ipFamilies": ["IPv4"]},
            "spec.ipFamilies: Forbidden: may not be set for ExternalName services",
        ),
        (
            {"type": "NodePort", "clusterIP": "None"},
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            {"sessionAffinity": "Odd"},
            'spec.sessionAffinity: Unsupported value: "Odd": supported values: "ClientIP", "None"',
        ),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
            (
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be "
                "greater than 0 and less than or equal to 86400"
            ),
        ),
        (
            {"clusterIP": "foo"},
            'spec.clusterIPs[0]: Invalid value: "foo": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        ({"clusterIP": "10.96.0.01"}, 'spec.clusterIPs[0]: Invalid value: "10.96.0.01": must not have leading 0s'),
        (
            {"clusterIPs": [IP]},
            'spec.clusterIPs: Invalid value: ["10.96.0.1"]: must be empty when `clusterIP` is not specified',
        ),
        (
            {"clusterIP": IP, "clusterIPs": ["10.96.0.2"]},
            'spec.clusterIPs: Invalid value: ["10.96.0.2"]: first value must match `clusterIP`',
        ),
        (
            {"clusterIP": IP, "ipFamilies": ["IPv6"]},
            'spec.clusterIPs[0]: Invalid value: "10.96.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`',
        ),
        (
            {"clusterIP": "None", "clusterIPs": ["None", IP]},
            'spec.clusterIPs: Invalid value: ["None","10.96.0.1"]: \'None\' must be the first and only value',
        ),
        ({"ipFamilies": ["IPv4", "IPv4"]}, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'),
        (
            {"ipFamilyPolicy": "Odd"},
            (
                'spec.ipFamilyPolicy: Unsupported value: "Odd": supported values: "PreferDualStack", '
                '"RequireDualStack", "SingleStack"'
            ),
        ),
        (
            {"externalIPs": ["127.0.0.1"]},
            'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        ),
        (
            {"loadBalancerSourceRanges": ["10.0.0.0/8"]},
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.1/8"]},
            (
                'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": must not have bits set '
                "beyond the prefix length"
            ),
        ),
        (
            {"allocateLoadBalancerNodePorts": True},
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {"loadBalancerClass": "a/b"},
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            {"externalTrafficPolicy": "Local"},
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
        ),
        (LOCAL, "spec.healthCheckNodePort: Required value"),
        (
            {"healthCheckNodePort": 30000},
            (
                "spec.healthCheckNodePort: Invalid value: 30000: may only be set when `type` is "
                "'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
            ),
        ),
        (
            {"internalTrafficPolicy": "Odd"},
            'spec.internalTrafficPolicy: Unsupported value: "Odd": supported values: "Cluster", "Local"',
        ),
        (
            {"trafficDistribution": "Odd"},
            (
                'spec.trafficDistribution: Unsupported value: "Odd": supported values: "PreferClose", '
                '"PreferSameNode", "PreferSameZone"'
            ),
        ),
    ],
)
def test_what_only_some_services_may_have(spec: dict[str, Any], found: str) -> None:
    assert complaints(RULES, a_service(**spec)) == [found]


def test_annotations_speak_of_balancers_too() -> None:
    made = a_service()
    key = "service.beta.kubernetes.io/load-balancer-source-ranges"
    made["metadata"]["annotations"] = {key: "10.0.0.0/8, x"}
    assert complaints(RULES, made) == [
        f"metadata.annotations[{key}]: Forbidden: may only be used when `type` is 'LoadBalancer'",
        (
            f'metadata.annotations[{key}]: Invalid value: "x": '
            "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        ),
    ]


def test_what_the_server_chose_comes_back_to_clients_that_leave_it_out() -> None:
    old = stored({"port": 80, "nodePort": 30001}, **LOCAL, clusterIP=IP, healthCheckNodePort=30002)
    new = updated(a_service({"port": 81}, **LOCAL), old)["spec"]
    assert (new["clusterIP"], new["clusterIPs"], new["healthCheckNodePort"]) == (IP, [IP], 30002)
    assert new["ports"] == [{"port": 81, "protocol": "TCP", "targetPort": 81, "nodePort": 30001}]


def test_a_node_port_goes_to_one_port_only() -> None:
    old = stored(
        {"port": 80, "name": "a", "nodePort": 30001}, {"port": 81, "name": "b", "nodePort": 30002}, type="NodePort"
    )
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "nodePort": 30001}]
    new = updated(a_service(*ports, type="NodePort"), old)
    assert [port.get("nodePort") for port in new["spec"]["ports"]] == [None, 30001]


def test_an_address_stays() -> None:
    old = stored(clusterIP=IP)
    both = {"clusterIP": "10.96.0.2", "clusterIPs": ["10.96.0.2"]}
    told_of = 'spec.clusterIPs[0]: Invalid value: ["10.96.0.2"]: may not change once set'
    assert update_complaints(a_service(**both), old) == [told_of]
    assert update_complaints(a_service(clusterIP="10.96.0.2", clusterIPs=[IP]), old) == [told_of]
    assert update_complaints(a_service(clusterIP="10.96.0.2"), old) == [
        "spec.clusterIPs: Required value",
        "spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset",
    ]
    assert update_complaints(a_service(clusterIP=IP, ipFamilies=["IPv6"]), old)[-1] == (
        'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set'
    )


def test_a_headless_service_stays_headless() -> None:
    old = stored(clusterIP="None")
    assert update_complaints(a_service(clusterIP="None"), old) == []
    assert update_complaints(a_service(clusterIP=IP, clusterIPs=[IP]), old) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.1"]: may not change once set'
    ]


def test_a_new_type_takes_along_what_only_the_old_one_had() -> None:
    old = stored({"port": 80, "nodePort": 30001}, type="LoadBalancer", clusterIP=IP, loadBalancerClass="a/b")
    old["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    new = copy.deepcopy(old)
    new["spec"]["type"] = "ClusterIP"
    assert update_complaints(new, old) == []
    assert new["spec"] == stored({"port": 80}, clusterIP=IP)["spec"]
    assert new["status"] == {"loadBalancer": {}}
    new = copy.deepcopy(old)
    new["spec"].update({"type": "ExternalName", "externalName": "example.com"})
    assert update_complaints(new, old) == []
    assert new["spec"].keys().isdisjoint({"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"})


def test_a_balancers_class_and_probe_stay() -> None:
    old = stored({"port": 80}, **LOCAL, healthCheckNodePort=30001)
    new = a_service({"port": 80}, **LOCAL, healthCheckNodePort=30002, loadBalancerClass="a/b")
    assert update_complaints(new, old) == [
        'spec.loadBalancerClass: Invalid value: "a/b": may not change once set',
        "spec.healthCheckNodePort: Forbidden: field is immutable",
    ]


def test_a_headless_service_without_selector_may_have_both_families() -> None:
    made = stored(clusterIP="None", ipFamilyPolicy="PreferDualStack")
    assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert stored(clusterIP="None", ipFamilyPolicy="PreferDualStack", selector={"a": "b"})["spec"]["ipFamilies"] == [
        "IPv4"
    ]


@pytest.mark.parametrize(
    ("kind", "ingress", "found"),
    [
        ("ClusterIP", {"ip": "192.0.2.1"}, [": Forbidden: may only be used when `spec.type` is 'LoadBalancer'"]),
        ("LoadBalancer", {"ip": "192.0.2.1"}, []),
        ("LoadBalancer", {"hostname": "a.example.com"}, []),
        (
            "LoadBalancer",
            {"hostname": "192.0.2.1"},
            ['[0].hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP address'],
        ),
        ("LoadBalancer", {"ipMode": "VIP"}, ["[0].ipMode: Forbidden: may not be specified when `ip` is not set"]),
        (
            "LoadBalancer",
            {"ip": "192.0.2.1", "ipMode": "X"},
            ['[0].ipMode: Unsupported value: "X": supported values: "Proxy", "VIP"'],
        ),
    ],
)
def test_only_balancers_report_addresses(kind: str, ingress: dict[str, Any], found: list[str]) -> None:
    made = stored(type=kind)
    made["status"] = {"loadBalancer": {"ingress": [ingress]}}
    RULES.prepare_status_update(made, made)
    assert told(RULES.validate_status_update(made, made)) == [f"status.loadBalancer.ingress{f}" for f in found]


@pytest.mark.parametrize(
    ("spec", "external"),
    [
        ({}, "<none>"),
        ({"externalIPs": ["192.0.2.1", "192.0.2.2"]}, "192.0.2.1,192.0.2.2"),
        ({"type": "LoadBalancer"}, "<pending>"),
        ({"type": "ExternalName", "externalName": "example.com"}, "example.com"),
        ({"type": "Odd"}, "<unknown>"),
    ],
)
def test_a_row_says_where_a_service_is_reached(spec: dict[str, Any], external: str) -> None:
    made = stored({"port": 80}, **spec)
    assert cells(made) == ("web", made["spec"]["type"], "<none>", external, "80/TCP", "2m", "<none>")


def test_a_balancers_row_shows_what_it_reports() -> None:
    made = stored({"port": 80, "nodePort": 30001}, {"port": 53, "protocol": "UDP"}, type="LoadBalancer", clusterIP=IP)
    made["spec"]["selector"] = {"b": "2", "a": "1"}
    made["status"] = {"loadBalancer": {"ingress": [{"hostname": "b"}, {"ip": "192.0.2.1"}]}}
    assert cells(made)[2:] == (IP, "192.0.2.1,b", "80:30001/TCP,53/UDP", "2m", "a=1,b=2")
    assert RULES.selectable_fields(made) == {"spec.clusterIP": IP, "spec.type": "LoadBalancer"}
