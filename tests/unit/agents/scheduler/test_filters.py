"""Which nodes are ruled out, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from agents.scheduler.decision import Refused
from agents.scheduler.nodeinfo import read_node
from agents.scheduler.podinfo import ANY
from tests.unit.agents.scheduler.build import (
    HOSTNAME,
    ZONE,
    chosen,
    cluster,
    expression,
    info,
    node,
    node_affinity,
    place,
    pod,
    pod_affinity,
    pod_term,
    refused,
    spread,
)

Obj = dict[str, Any]

NO_SCHEDULE = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
WEB = {"app": "web"}


def test_without_nodes_upstreams_words_are_used() -> None:
    assert refused(cluster(), pod()).message == "no nodes available to schedule pods"


def test_the_reasons_of_all_nodes_are_counted_and_ordered_as_text() -> None:
    snapshot = cluster(
        node("a", cpu="1"), node("b", taints=[NO_SCHEDULE]), node("c", cpu="1", memory="1Gi"), node("d", cpu="1")
    )
    assert refused(snapshot, pod(cpu="2", memory="2Gi")).message == (
        "0/4 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), 3 Insufficient cpu."
    )


def test_a_node_is_reported_by_the_first_plugin_that_refuses_it() -> None:
    snapshot = cluster(node("a", cpu="1", taints=[NO_SCHEDULE], unschedulable=True))
    found = refused(snapshot, pod(cpu="2"))
    assert found.message == "0/1 nodes are available: 1 node(s) were unschedulable."
    assert found.plugins == {"NodeUnschedulable"}


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "value": "web"}, False),
        ({"key": "dedicated", "value": "db", "effect": "NoExecute"}, False),
    ],
)
def test_taints_must_be_tolerated(toleration: Obj, fits: bool) -> None:
    decision = place(cluster(node("a", taints=[NO_SCHEDULE])), pod(tolerations=[toleration]))
    assert (not isinstance(decision, Refused)) == fits


def test_cordoned_nodes_take_pods_that_tolerate_it() -> None:
    snapshot = cluster(node("a", unschedulable=True))
    assert refused(snapshot, pod()).message.endswith("1 node(s) were unschedulable.")
    key = "node.kubernetes.io/unschedulable"
    assert chosen(snapshot, pod(tolerations=[{"key": key, "operator": "Exists", "effect": "NoSchedule"}])) == "a"


@pytest.mark.parametrize(
    ("term", "fits"),
    [
        ({"matchExpressions": [expression("disk", "In", "ssd", "nvme")]}, {"a"}),
        ({"matchExpressions": [expression("disk", "NotIn", "ssd")]}, {"b", "c"}),
        ({"matchExpressions": [expression("disk", "Exists")]}, {"a", "b"}),
        ({"matchExpressions": [expression("disk", "DoesNotExist")]}, {"c"}),
        ({"matchExpressions": [expression("cores", "Gt", "4")]}, {"b"}),
        ({"matchExpressions": [expression("cores", "Lt", "5")]}, {"a"}),
        ({"matchExpressions": [expression("disk", "In", "ssd"), expression("cores", "Gt", "4")]}, set()),
        ({"matchFields": [expression("metadata.name", "In", "c")]}, {"c"}),
        ({"matchFields": [expression("metadata.name", "NotIn", "c")]}, {"a", "b"}),
        ({"matchFields": [expression("metadata.uid", "In", "c")]}, set()),
        ({}, set()),
    ],
)
def test_node_affinity_terms(term: Obj, fits: set[str]) -> None:
    nodes = [
        node("a", labels={"disk": "ssd", "cores": "4"}),
        node("b", labels={"disk": "hdd", "cores": "8"}),
        node("c"),
    ]
    affinity = node_affinity(required=[term])
    found = {n["metadata"]["name"] for n in nodes if not isinstance(place(cluster(n), pod(affinity=affinity)), Refused)}
    assert found == fits


def test_one_of_several_terms_is_enough_and_no_terms_never_hold() -> None:
    snapshot = cluster(node("a", labels={"disk": "ssd"}))
    wrong, right = ({"matchExpressions": [expression("disk", "In", v)]} for v in ("hdd", "ssd"))
    assert chosen(snapshot, pod(affinity=node_affinity(required=[wrong, right]))) == "a"
    found = refused(snapshot, pod(affinity=node_affinity(required=[])))
    assert found.message == "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."


def test_of_nodes_that_are_not_named_nothing_else_is_said() -> None:
    snapshot = cluster(node("a", cpu="1"), node("b", unschedulable=True), node("c"))
    only = node_affinity(required=[{"matchFields": [expression("metadata.name", "In", "a")]}])
    assert refused(snapshot, pod(cpu="2", affinity=only)).message == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )
    either = [
        {"matchFields": [expression("metadata.name", "In", "a", "c"), expression("metadata.name", "In", "c")]},
        {"matchFields": [expression("metadata.name", "In", "b")]},
    ]
    assert chosen(snapshot, pod(affinity=node_affinity(required=either))) == "c"
    assert chosen(snapshot, pod(affinity=node_affinity(required=[*either, {"matchExpressions": [
        expression(HOSTNAME, "In", "a")]}]), nodeSelector={HOSTNAME: "a"})) == "a"  # fmt: skip


def test_a_node_selector_must_match_in_full() -> None:
    snapshot = cluster(node("a", labels={"disk": "ssd"}), node("b", labels={"disk": "ssd", "gpu": "yes"}))
    assert chosen(snapshot, pod(nodeSelector={"disk": "ssd", "gpu": "yes"})) == "b"
    assert isinstance(place(snapshot, pod(nodeSelector={"disk": "tape"})), Refused)


def test_what_was_remembered_of_nodes_is_forgotten_when_they_change() -> None:
    snapshot = cluster(node("a"))
    selective = pod(nodeSelector={"disk": "ssd"})
    assert isinstance(place(snapshot, selective), Refused)
    snapshot.set_node(read_node(node("a", labels={"disk": "ssd"})))
    assert chosen(snapshot, selective) == "a"
    snapshot.set_node(read_node(node("a", labels={"disk": "ssd"}, taints=[NO_SCHEDULE])))
    assert isinstance(place(snapshot, selective), Refused)


def port(number: int, *, ip: str = "", protocol: str = "TCP") -> Obj:
    return {"containerPort": 80, "hostPort": number, "hostIP": ip, "protocol": protocol}


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (port(80), False),
        (port(81), True),
        (port(80, protocol="UDP"), True),
        (port(80, ip="10.0.0.1"), False),
        (port(80, ip="10.0.0.2"), True),
        (port(80, ip=ANY), False),
    ],
)
def test_host_ports_are_taken_once(wanted: Obj, fits: bool) -> None:
    snapshot = cluster(node("a"), pod(on="a", ports=[port(80, ip="10.0.0.1")]))
    decision = place(snapshot, pod(ports=[wanted]))
    assert (not isinstance(decision, Refused)) == fits
    if isinstance(decision, Refused):
        assert "1 node(s) didn't have free ports for the requested pod ports." in decision.message


def test_on_the_network_of_the_node_every_container_port_is_a_host_port() -> None:
    snapshot = cluster(node("a"), pod(on="a", ports=[{"containerPort": 80}], hostNetwork=True))
    assert isinstance(place(snapshot, pod(ports=[{"containerPort": 80}], hostNetwork=True)), Refused)
    assert chosen(snapshot, pod(ports=[{"containerPort": 80}])) == "a"


def test_what_is_left_must_be_enough() -> None:
    snapshot = cluster(node("a", cpu="2"), pod(on="a", cpu="1500m"))
    assert chosen(snapshot, pod(cpu="500m")) == "a"
    assert refused(snapshot, pod(cpu="501m")).message == "0/1 nodes are available: 1 Insufficient cpu."


def test_a_node_takes_so_many_pods() -> None:
    snapshot = cluster(node("a", pods="1"), pod(on="a"))
    assert refused(snapshot, pod()).message == "0/1 nodes are available: 1 Too many pods."


def test_extended_resources_and_storage_are_counted() -> None:
    snapshot = cluster(
        node("a", more={"example.com/gpu": "2", "ephemeral-storage": "10Gi"}),
        pod(on="a", requests={"example.com/gpu": "1", "ephemeral-storage": "8Gi"}),
    )
    assert chosen(snapshot, pod(requests={"example.com/gpu": "1"})) == "a"
    found = refused(snapshot, pod(requests={"example.com/gpu": "2", "ephemeral-storage": "3Gi"}))
    assert found.message == (
        "0/1 nodes are available: 1 Insufficient ephemeral-storage, 1 Insufficient example.com/gpu."
    )
    assert refused(snapshot, pod(requests={"example.com/tpu": "1"})).message.endswith("1 Insufficient example.com/tpu.")


def test_only_where_removing_pods_could_help_is_resolvable() -> None:
    snapshot = cluster(
        node("small", cpu="1"),
        node("full", cpu="4"),
        pod(on="full", cpu="4"),
        node("tainted", taints=[NO_SCHEDULE]),
        node("crowded", cpu="4", pods="0"),
    )
    assert set(refused(snapshot, pod(cpu="2")).resolvable) == {"full", "crowded"}


def test_hard_spread_keeps_domains_within_the_skew() -> None:
    snapshot = cluster(
        node("a", zone="1"),
        node("b", zone="1"),
        node("c", zone="2"),
        pod(on="a", labels=WEB),
        pod(on="a", labels={"app": "other"}),
        pod(on="c", labels=WEB, namespace="elsewhere"),
        pod(on="c", labels=WEB, terminating=True),
    )
    assert chosen(snapshot, pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB)])) == "c"
    loose = pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB, skew=2)], nodeSelector={HOSTNAME: "b"})
    # Only nodes that the pod may go to count as domains, so zone 1 is the emptiest itself.
    assert chosen(snapshot, loose) == "b"


def test_spread_tells_why() -> None:
    snapshot = cluster(node("a", zone="1"), node("b", zone="2", cpu="1"), node("c"), pod(on="a", labels=WEB))
    found = refused(snapshot, pod(cpu="2", labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB)]))
    assert found.message == (
        "0/3 nodes are available: 1 Insufficient cpu, "
        "1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label)."
    )
    assert set(found.resolvable) == {"a"}


def test_too_few_domains_make_the_emptiest_count_as_empty() -> None:
    snapshot = cluster(node("a", zone="1"), pod(on="a", labels=WEB))
    assert chosen(snapshot, pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB)])) == "a"
    strict = pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB, minDomains=2)])
    assert isinstance(place(snapshot, strict), Refused)


def test_tainted_domains_count_unless_the_constraint_honors_taints() -> None:
    snapshot = cluster(node("a", zone="1"), node("b", zone="2", taints=[NO_SCHEDULE]), pod(on="a", labels=WEB))
    assert isinstance(place(snapshot, pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB)])), Refused)
    honoring = spread(ZONE, WEB, nodeTaintsPolicy="Honor")
    assert chosen(snapshot, pod(labels=WEB, topologySpreadConstraints=[honoring])) == "a"


def test_match_label_keys_narrow_the_selector() -> None:
    one, two = {**WEB, "hash": "1"}, {**WEB, "hash": "2"}
    snapshot = cluster(node("a"), node("b", cpu="100m"), pod(on="a", labels=one))
    keyed = spread(HOSTNAME, WEB, matchLabelKeys=["hash"])
    assert chosen(snapshot, pod(cpu="1", labels=two, topologySpreadConstraints=[keyed])) == "a"
    assert isinstance(place(snapshot, pod(cpu="1", labels=one, topologySpreadConstraints=[keyed])), Refused)


def test_affinity_needs_a_matching_pod_in_the_domain() -> None:
    snapshot = cluster(node("a", zone="1"), node("b", zone="2"), node("c"), pod(on="b", labels={"app": "db"}))
    near = pod_affinity(required=[pod_term({"app": "db"}, ZONE)])
    assert chosen(snapshot, pod(labels=WEB, affinity=near)) == "b"
    far = pod_affinity(required=[pod_term({"app": "cache"}, ZONE)])
    assert refused(snapshot, pod(labels=WEB, affinity=far)).message == (
        "0/3 nodes are available: 3 node(s) didn't match pod affinity rules."
    )


def test_the_first_of_a_group_may_go_anywhere_that_has_the_topology() -> None:
    together = pod_affinity(required=[pod_term(WEB, ZONE)])
    snapshot = cluster(node("a"), node("b", zone="1"))
    assert chosen(snapshot, pod(labels=WEB, affinity=together)) == "b"


def test_all_affinity_terms_must_be_met_by_the_same_pods() -> None:
    snapshot = cluster(
        node("a", zone="1"), pod(on="a", labels={"x": "1"}), pod(on="a", labels={"y": "1"}), node("b", zone="2")
    )
    both = pod_affinity(required=[pod_term({"x": "1"}, ZONE), pod_term({"y": "1"}, ZONE)])
    assert isinstance(place(snapshot, pod(affinity=both)), Refused)
    snapshot.add_pod(info(pod(labels={"x": "1", "y": "1"})), "b")
    assert chosen(snapshot, pod(affinity=both)) == "b"


def test_anti_affinity_keeps_away_both_ways() -> None:
    alone = pod_affinity("podAntiAffinity", required=[pod_term(WEB)])
    snapshot = cluster(node("a"), pod(on="a", labels=WEB))
    assert refused(snapshot, pod(affinity=alone)).message == (
        "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules."
    )
    snapshot = cluster(node("a"), pod(on="a", affinity=alone))
    assert refused(snapshot, pod(labels=WEB)).message == (
        "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules."
    )
    assert chosen(snapshot, pod(labels={"app": "other"})) == "a"


def test_terms_speak_of_their_own_namespace_unless_they_say_otherwise() -> None:
    snapshot = cluster(node("a"), pod(on="a", labels=WEB, namespace="other"))
    snapshot.set_namespace("other", {"team": "x"})
    for more, fits in (
        ({}, True),
        ({"namespaces": ["other"]}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "y"}}}, True),
        ({"namespaceSelector": {}}, False),
    ):
        away = pod_affinity("podAntiAffinity", required=[pod_term(WEB, **more)])
        assert (not isinstance(place(snapshot, pod(affinity=away)), Refused)) == fits, more


def test_a_pod_that_names_its_node_gets_no_other() -> None:
    snapshot = cluster(node("a"), node("b"))
    assert chosen(snapshot, pod(on="b")) == "b"
    assert refused(snapshot, pod(on="z")).message == (
        "0/2 nodes are available: 2 node(s) didn't match the requested node name."
    )
