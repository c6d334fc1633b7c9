"""Which of several nodes is best."""

from __future__ import annotations

from collections import Counter
from typing import Any

from agents.scheduler.snapshot import Snapshot
from tests.unit.agents.scheduler.build import (
    HOSTNAME,
    ZONE,
    chosen,
    cluster,
    expression,
    info,
    node,
    node_affinity,
    pod,
    pod_affinity,
    pod_term,
    spread,
)

Obj = dict[str, Any]
WEB = {"app": "web"}


def place_all(snapshot: Snapshot, pods: list[Obj]) -> Counter[str]:
    """Place one after the other. Returns how many went where."""
    found: Counter[str] = Counter()
    for one in pods:
        name = chosen(snapshot, one)
        snapshot.add_pod(info(one), name)
        found[name] += 1
    return found


def test_the_emptier_node_is_better() -> None:
    assert chosen(cluster(node("a"), node("b"), pod(on="a", cpu="2", memory="2Gi")), pod(cpu="1")) == "b"


def test_pods_that_ask_for_nothing_still_count_a_little() -> None:
    assert chosen(cluster(node("a"), node("b"), pod(on="a")), pod()) == "b"


def test_a_node_that_the_pod_evens_out_is_better() -> None:
    snapshot = cluster(
        node("a", cpu="10", memory="10Gi"),
        node("b", cpu="10", memory="10Gi"),
        pod(on="a", cpu="4", memory="1Gi"),
        pod(on="b", cpu="1", memory="4Gi"),
    )
    assert chosen(snapshot, pod(cpu="1", memory="3Gi")) == "a"
    assert chosen(snapshot, pod(cpu="3", memory="1Gi")) == "b"


def test_disliked_taints_are_avoided_but_do_not_rule_out() -> None:
    soft = {"key": "slow", "value": "", "effect": "PreferNoSchedule"}
    snapshot = cluster(node("a", taints=[soft]), node("b", cpu="2"), pod(on="b", cpu="1"))
    assert chosen(snapshot, pod(cpu="500m")) == "b"
    assert chosen(snapshot, pod(cpu="2")) == "a"
    assert chosen(snapshot, pod(cpu="500m", tolerations=[{"key": "slow", "operator": "Exists"}])) == "a"


def test_preferred_node_affinity_adds_up_its_weights() -> None:
    terms = [
        (10, {"matchExpressions": [expression("disk", "In", "ssd")]}),
        (30, {"matchExpressions": [expression("gpu", "Exists")]}),
        (25, {"matchExpressions": [expression("disk", "In", "ssd"), expression("net", "Exists")]}),
    ]
    snapshot = cluster(node("a", labels={"disk": "ssd", "net": "fast"}), node("b", labels={"gpu": "1"}), node("c"))
    assert chosen(snapshot, pod(affinity=node_affinity(preferred=terms))) == "a"


def test_replicas_of_a_workload_spread_over_nodes_and_zones_by_themselves() -> None:
    snapshot = cluster(*(node(f"n{i}", zone=str(i % 2)) for i in range(6)))
    selector = {"matchLabels": WEB}
    snapshot.workloads.set(
        "apps/v1", "ReplicaSet", {"metadata": {"namespace": "default", "name": "rs"}, "spec": {"selector": selector}}
    )
    replicas = [pod(cpu="10m", labels=WEB, owner=("apps/v1", "ReplicaSet", "rs")) for _ in range(12)]
    assert set(place_all(snapshot, replicas).values()) == {2}


def test_pods_of_a_service_spread_even_when_other_pods_make_a_node_busier() -> None:
    snapshot = cluster(node("a"), node("b"), pod(on="b", cpu="1", memory="2Gi"), pod(on="a", labels=WEB))
    service = {"metadata": {"namespace": "default", "name": "s"}, "spec": {"selector": WEB}}
    assert chosen(snapshot, pod(labels=WEB)) == "a"
    snapshot.workloads.set("v1", "Service", service)
    assert chosen(snapshot, pod(labels=WEB)) == "b"
    snapshot.workloads.remove("v1", "Service", "default", "s")
    assert chosen(snapshot, pod(labels=WEB)) == "a"


def test_soft_spread_prefers_emptier_domains_and_ignores_nodes_without_one() -> None:
    snapshot = cluster(
        node("a", zone="1"), node("b", zone="2"), node("c"), pod(on="a", labels=WEB), pod(on="a", labels=WEB)
    )
    assert chosen(snapshot, pod(labels=WEB, topologySpreadConstraints=[spread(ZONE, WEB, hard=False)])) == "b"


def test_soft_and_hard_spread_together() -> None:
    snapshot = cluster(*(node(f"n{i}", zone=str(i // 2)) for i in range(4)))
    rules = [spread(ZONE, WEB), spread(HOSTNAME, WEB, hard=False)]
    pods = [pod(labels=WEB, topologySpreadConstraints=rules) for _ in range(4)]
    assert place_all(snapshot, pods) == {"n0": 1, "n1": 1, "n2": 1, "n3": 1}


def test_preferred_affinity_draws_and_preferred_anti_affinity_pushes() -> None:
    snapshot = cluster(node("a"), node("b"), node("c"), pod(on="b", labels=WEB, cpu="1"), pod(on="c", cpu="1"))
    near = pod_affinity(preferred=[(100, pod_term(WEB))])
    assert chosen(snapshot, pod(affinity=near)) == "b"
    snapshot = cluster(node("a"), node("b"), pod(on="a", labels=WEB), pod(on="b", cpu="500m", memory="1Gi"))
    away = pod_affinity("podAntiAffinity", preferred=[(100, pod_term(WEB))])
    assert chosen(snapshot, pod(affinity=away)) == "b"


def test_what_placed_pods_wish_counts_too() -> None:
    wishes = pod_affinity(preferred=[(100, pod_term(WEB))])
    snapshot = cluster(node("a"), node("b"), pod(on="b", cpu="500m", affinity=wishes))
    assert chosen(snapshot, pod(labels=WEB)) == "b"
    needs = pod_affinity(required=[pod_term(WEB)])
    snapshot = cluster(node("a"), node("b"), pod(on="b", cpu="500m", affinity=needs))
    assert chosen(snapshot, pod(labels=WEB)) == "b"
    dislikes = pod_affinity("podAntiAffinity", preferred=[(100, pod_term(WEB))])
    snapshot = cluster(node("a"), node("b"), pod(on="a", affinity=dislikes), pod(on="b", cpu="500m", memory="1Gi"))
    assert chosen(snapshot, pod(labels=WEB)) == "b"


def test_a_decision_is_the_same_every_time() -> None:
    snapshot = cluster(*(node(f"n{i}") for i in range(40)))
    one = pod(cpu="1")
    assert len({chosen(snapshot, one) for _ in range(5)}) == 1
