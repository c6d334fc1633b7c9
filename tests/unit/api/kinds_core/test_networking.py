"""Ingresses, network policies, ranges, and the addresses behind Services."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import endpoints, endpointslice, ingress, ingressclass, networkpolicy, servicecidr
from tests.unit.api.kinds_core.objects import a_node, an_object
from tests.unit.api.kinds_workloads.objects import complaints, created, told

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def an_ingress(path: str = "/", kind: str | None = "Prefix", **rule: Any) -> dict[str, Any]:
    one = {"path": path, "pathType": kind, "backend": BACKEND}
    return an_object(spec={"rules": [{"http": {"paths": [one]}, **rule}]})


def with_backend(**backend: Any) -> dict[str, Any]:
    return an_object(spec={"defaultBackend": backend})


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (an_object(), "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        (an_ingress(kind=None), "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"),
        (an_ingress("a"), 'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path'),
        (an_ingress("", "ImplementationSpecific"), ""),
        (an_ingress("/a//b"), "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'"),
        (an_ingress("/a/.."), "spec.rules[0].http.paths[0].path: Invalid value: \"/a/..\": cannot end with '/..'"),
        (an_ingress(http={}), "spec.rules[0].http.paths: Required value"),
        (
            an_ingress(host="10.0.0.1"),
            'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ),
        (with_backend(), 'spec.defaultBackend: Invalid value: "": resource or service backend is required'),
        (with_backend(service={"name": "a"}), "spec.defaultBackend: Required value: port name or number is required"),
        (
            with_backend(service={"name": "a", "port": {"name": "b", "number": 1}}),
            'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
        ),
        (with_backend(resource={"kind": "K"}), "spec.defaultBackend.resource.name: Required value"),
        (
            with_backend(resource={}, service={}),
            'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends',
        ),
    ],
)
def test_an_ingress_leads_somewhere(made: dict[str, Any], found: str) -> None:
    assert complaints(ingress.RULES, made)[-1:] == ([found] if found else [])


def test_a_wildcard_host_starts_with_a_star() -> None:
    assert complaints(ingress.RULES, an_ingress(host="*.example.com")) == []
    (complaint,) = complaints(ingress.RULES, an_ingress(host="a.*.com"))
    assert "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain" in complaint


def test_a_new_ingress_has_one_class() -> None:
    made = an_ingress()
    made["spec"]["ingressClassName"] = "a"
    made["metadata"]["annotations"] = {"kubernetes.io/ingress.class": "b"}
    assert told(ingress.RULES.validate_create(made)) == [
        (
            'annotations.kubernetes.io/ingress.class: Invalid value: "b": must match `ingressClassName` '
            "when both are specified"
        )
    ]
    assert ingress.RULES.validate(made) == []


def a_class(controller: str = "example.com/a", **parameters: Any) -> dict[str, Any]:
    return a_node(spec={"controller": controller, **({"parameters": parameters} if parameters else {})})


def test_a_classes_controller_is_a_path_below_a_domain_and_stays() -> None:
    rules = ingressclass.RULES
    assert complaints(rules, a_class()) == []
    assert complaints(rules, a_class("")) == ["spec.controller: Required value"]
    assert complaints(rules, a_class("a")) == [
        'spec.controller: Invalid value: "a": must be a domain-prefixed path (such as "acme.io/foo")'
    ]
    assert complaints(rules, a_class("a/b c")) == [
        (
            'spec.controller: Invalid value: "b c": Invalid path (regex used for validation is '
            r"'[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')"
        )
    ]
    assert told(rules.validate_update(a_class("a/b"), a_class())) == [
        'spec.controller: Invalid value: "a/b": field is immutable'
    ]


def test_a_classes_parameters_have_a_scope() -> None:
    made = created(ingressclass.RULES, a_class(kind="K", name="n"))
    assert made["spec"]["parameters"]["scope"] == "Cluster"
    assert complaints(ingressclass.RULES, a_class(kind="K", name="n", namespace="a")) == [
        "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"
    ]
    assert complaints(ingressclass.RULES, a_class(kind="K", scope="Namespace")) == [
        "spec.parameters.name: Required value",
        "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ]


def a_policy(*ports: dict[str, Any], peer: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return an_object(spec={"ingress": [{"ports": list(ports), "from": [peer] if peer is not None else []}], **spec})


def test_a_policy_is_about_what_it_has_rules_for() -> None:
    assert created(networkpolicy.RULES, an_object())["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    assert created(networkpolicy.RULES, a_policy({"port": 1}, egress=[{}]))["spec"]["policyTypes"] == [
        "Ingress",
        "Egress",
    ]
    assert created(networkpolicy.RULES, a_policy({"port": 1}))["spec"]["ingress"][0]["ports"][0]["protocol"] == "TCP"


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (
            a_policy({"port": 2, "endPort": 1}),
            "ports[0].endPort: Invalid value: 1: must be greater than or equal to `port`",
        ),
        (
            a_policy({"port": "a", "endPort": 1}),
            "ports[0].endPort: Invalid value: 1: may not be specified when `port` is non-numeric",
        ),
        (
            a_policy({"endPort": 1}),
            "ports[0].endPort: Invalid value: 1: may not be specified when `port` is not specified",
        ),
        (a_policy(peer={}), "from[0]: Required value: must specify a peer"),
        (a_policy(peer={"ipBlock": {}}), "from[0].ipBlock.cidr: Required value"),
        (
            a_policy(peer={"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}),
            "from[0]: Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            a_policy(peer={"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}),
            'from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
        ),
        (
            a_policy(peer={"ipBlock": {"cidr": "10.0.0.0/8", "except": ["fd00::/64"]}}),
            'from[0].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of `cidr`',
        ),
    ],
)
def test_a_policies_rules_are_checked(made: dict[str, Any], found: str) -> None:
    assert complaints(networkpolicy.RULES, made) == [f"spec.ingress[0].{found}"]


def test_ranges_are_one_of_each_family_and_only_grow() -> None:
    rules = servicecidr.RANGE
    assert complaints(rules, a_node(spec={})) == ["spec.cidrs: Required value: at least one CIDR required"]
    assert complaints(rules, a_node(spec={"cidrs": ["10.0.0.0/8", "10.0.0.1/8"]}))[0] == (
        'spec.cidrs[1]: Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length'
    )
    assert complaints(rules, a_node(spec={"cidrs": ["FD00::/64"]})) == [
        'spec.cidrs[0]: Invalid value: "FD00::/64": must be in canonical form ("fd00::/64")'
    ]
    one, both = a_node(spec={"cidrs": ["10.0.0.0/8"]}), a_node(spec={"cidrs": ["10.0.0.0/8", "fd00::/64"]})
    assert rules.validate_update(both, one) == []
    assert told(rules.validate_update(one, both)) == ['spec.cidrs: Invalid value: ["10.0.0.0/8"]: field is immutable']


def test_an_addresses_name_is_the_address() -> None:
    assert servicecidr.address_name("10.96.0.1") == []
    assert servicecidr.address_name("FD00::1") == ['must be in canonical form ("fd00::1")']
    assert complaints(servicecidr.ADDRESS, a_node(spec={})) == ["spec.parentRef: Required value"]


def test_endpoints_have_addresses_that_mean_the_same_everywhere() -> None:
    made = an_object(subsets=[{}, {"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 1}, {"port": 2}]}])
    assert complaints(endpoints.RULES, made) == [
        "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
        (
            'subsets[1].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range '
            "(127.0.0.0/8, ::1/128)"
        ),
        "subsets[1].ports[0].name: Required value",
        "subsets[1].ports[1].name: Required value",
    ]
    assert endpoints.RULES.create_on_update


def test_a_slice_is_of_one_type_for_good() -> None:
    rules = endpointslice.RULES
    assert complaints(rules, an_object()) == ["addressType: Required value"]
    made = an_object(addressType="IPv6", endpoints=[{"addresses": ["10.0.0.1"]}, {}], ports=[{}, {}])
    assert complaints(rules, made) == [
        'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address',
        "endpoints[1].addresses: Required value: must contain at least 1 address",
        'ports[1].name: Duplicate value: ""',
    ]
    assert made["ports"][0] == {"name": "", "protocol": "TCP"}
    assert told(rules.validate_update(an_object(addressType="IPv4"), made)) == [
        'addressType: Invalid value: "IPv4": field is immutable'
    ]


def test_a_slices_labels_count_and_its_old_topology_goes() -> None:
    rules = endpointslice.RULES
    old = an_object(addressType="IPv4", endpoints=[{"addresses": ["10.0.0.1"], "deprecatedTopology": {"a": "b"}}])
    new = copy.deepcopy(old)
    new["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    rules.prepare_update(new, old)
    assert new["metadata"]["generation"] == 1
    assert new["endpoints"] == old["endpoints"]
    assert created(rules, old)["endpoints"] == [{"addresses": ["10.0.0.1"]}]


def test_a_slice_is_bounded() -> None:
    made = an_object(addressType="FQDN", endpoints=[{"addresses": ["a.example.com"]}] * 1001)
    assert complaints(endpointslice.RULES, made) == ["endpoints: Too many: 1001: must have at most 1000 items"]
    many = an_object(addressType="FQDN", endpoints=[{"addresses": ["a.b"] * 101}])
    assert complaints(endpointslice.RULES, many) == [
        "endpoints[0].addresses: Too many: 101: must have at most 100 items"
    ]
    short = an_object(addressType="FQDN", endpoints=[{"addresses": ["a", "a.b."]}])
    assert complaints(endpointslice.RULES, short) == [
        (
            'endpoints[0].addresses[0]: Invalid value: "a": '
            "should be a domain with at least two segments separated by dots"
        )
    ]
