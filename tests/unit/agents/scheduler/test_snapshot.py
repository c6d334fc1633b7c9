"""A snapshot that followed changes is the snapshot that would be built anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scheduler.affinity import TermKind
from agents.scheduler.decide import decide
from agents.scheduler.decision import Chosen, Refused
from agents.scheduler.nodeinfo import read_node
from agents.scheduler.podcounts import Among, Question
from agents.scheduler.podinfo import ANY, HostPort
from agents.scheduler.snapshot import Snapshot
from apiserver.api.selectors import LabelSelector
from tests.unit.agents.scheduler.build import (
    HOSTNAME,
    ZONE,
    cluster,
    info,
    node,
    pod,
    pod_affinity,
    pod_term,
    spread,
)

Obj = dict[str, Any]

APPS = ("web", "db")
PORT = {"containerPort": 80, "hostPort": 80, "protocol": "TCP"}
QUESTIONS = [
    Question((Among(frozenset(("default",)), LabelSelector.from_labels({"app": app})),), with_terminating=bool(i))
    for i, app in enumerate(APPS)
]
node_names = st.integers(0, 5).map(lambda i: f"n{i}")
pod_names = st.integers(0, 9).map(lambda i: f"p{i}")


@st.composite
def nodes(draw: st.DrawFn) -> Obj:
    taint = {"key": "t", "value": "", "effect": draw(st.sampled_from(("NoSchedule", "PreferNoSchedule")))}
    return node(
        draw(node_names),
        cpu=draw(st.sampled_from(("1", "2", "3500m"))),
        zone=draw(st.sampled_from(("", "1", "2"))),
        taints=draw(st.sampled_from(((), (taint,)))),
        unschedulable=draw(st.booleans()),
        more=draw(st.sampled_from(({}, {"example.com/gpu": "2"}))),
    )


@st.composite
def pods(draw: st.DrawFn) -> Obj:
    app = {"app": draw(st.sampled_from(APPS))}
    field = draw(st.sampled_from(("podAffinity", "podAntiAffinity")))
    terms = [pod_term({"app": draw(st.sampled_from(APPS))}, draw(st.sampled_from((HOSTNAME, ZONE))))]
    affinity = draw(
        st.sampled_from(({}, pod_affinity(field, required=terms), pod_affinity(field, preferred=[(5, terms[0])])))
    )
    rules = draw(st.sampled_from(((), (spread(ZONE, app, skew=2),), (spread(HOSTNAME, app, hard=False),))))
    return pod(
        draw(pod_names),
        cpu=draw(st.sampled_from(("", "100m", "900m", "8E"))),
        requests=draw(st.sampled_from(({}, {"example.com/gpu": "1"}))),
        labels=app,
        ports=draw(st.sampled_from(((), (PORT,)))),
        affinity=affinity,
        topologySpreadConstraints=list(rules),
        tolerations=draw(st.sampled_from(([], [{"operator": "Exists"}]))),
        terminating=draw(st.booleans()),
    )


changes = st.lists(
    st.one_of(
        st.tuples(st.just("set node"), nodes()),
        st.tuples(st.just("remove node"), node_names),
        st.tuples(st.just("add pod"), pods(), node_names),
        st.tuples(st.just("remove pod"), pod_names),
    ),
    max_size=40,
)


def follow(snapshot: Snapshot, change: tuple[Any, ...]) -> None:
    match change:
        case ("set node", obj):
            snapshot.set_node(read_node(obj))
        case ("remove node", name):
            snapshot.remove_node(name)
        case ("add pod", obj, name):
            snapshot.add_pod(info(obj), name)
        case ("remove pod", name):
            snapshot.remove_pod(info(pod(name)).key)


def by_node(snapshot: Snapshot, values: np.ndarray[Any, Any]) -> Mapping[str, Any]:
    return {name: values[row].item() for name, row in snapshot.rows.items()}


def facts(snapshot: Snapshot) -> Mapping[str, Any]:
    """Everything that decisions may look at, by node name: rows differ between snapshots."""
    resources = snapshot.resources
    found: dict[str, Any] = {}
    for name in ("cpu", "memory", "pods", "example.com/gpu"):
        found[f"has {name}"] = by_node(snapshot, resources.allocatable(name))
        found[f"requested {name}"] = by_node(snapshot, resources.requested.of(name))
        found[f"scored {name}"] = by_node(snapshot, resources.scored.of(name))
    for question in QUESTIONS:
        found[str(question)] = by_node(snapshot, snapshot.count(question))
    for kind in TermKind:
        terms = snapshot.terms.speaking_of(kind, "default", {"app": "web"}, {})
        found[kind.value] = {term: by_node(snapshot, counts) for term, counts in terms}
    zones = snapshot.labels.column(ZONE)
    found["zones"] = {zone: by_node(snapshot, zones.equals(zone)) for zone in ("1", "2")}
    found["ports"] = by_node(snapshot, snapshot.ports.conflicts([HostPort(ANY, "TCP", 80)]))
    found["taints"] = by_node(snapshot, snapshot.taints.numbers(len))
    found["unschedulable"] = by_node(snapshot, snapshot.unschedulable.values)
    return found


@settings(max_examples=150, deadline=None)
@given(changes, st.data())
def test_a_snapshot_that_followed_changes_equals_one_built_anew(
    history: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    followed = Snapshot()
    asked = data.draw(st.integers(0, len(history)))
    for i, change in enumerate(history):
        if i == asked:
            facts(followed)  # from here on the columns that were asked for are kept up
        follow(followed, change)
    anew = Snapshot()
    for one in followed.nodes():
        anew.set_node(one)
    for one, name in followed.pods():
        anew.add_pod(one, name)
    assert facts(followed) == facts(anew)
    wanted = info(data.draw(pods()))
    if one_is_there := followed.placed(wanted.key):
        followed.remove_pod(one_is_there[0].key)
        anew.remove_pod(one_is_there[0].key)
    _alike(decide(followed, wanted), decide(anew, wanted))


def _alike(one: Chosen | Refused, other: Chosen | Refused) -> None:
    """Ties are broken by row, so the node may differ; whether and why it fits may not."""
    assert isinstance(one, Chosen) == isinstance(other, Chosen)
    if isinstance(one, Refused) and isinstance(other, Refused):
        assert (one.message, one.plugins, set(one.resolvable)) == (other.message, other.plugins, set(other.resolvable))


@settings(max_examples=100, deadline=None)
@given(st.lists(nodes(), min_size=1, max_size=6), st.lists(pods(), max_size=30))
def test_no_node_is_ever_overcommitted(machines: list[Obj], wanted: list[Obj]) -> None:
    snapshot = cluster(*machines)
    for i, obj in enumerate(wanted):
        obj["metadata"]["name"] = f"w{i}"
        one = info(obj)
        decision = decide(snapshot, one)
        if isinstance(decision, Chosen):
            snapshot.add_pod(one, decision.node)
    for one in snapshot.nodes():
        held = list(snapshot.pods_on(one.name))
        assert len(held) <= one.allocatable["pods"]
        for name in ("cpu", "memory", "example.com/gpu"):
            assert sum(p.requests.get(name, 0) for p in held) <= one.allocatable.get(name, 0)
        assert sum(bool(p.template.ports) for p in held) <= 1


def test_pods_may_be_heard_of_before_their_node() -> None:
    snapshot = cluster(pod("early", on="a", cpu="3"))
    snapshot.set_node(read_node(node("a")))
    assert isinstance(decide(snapshot, info(pod(cpu="2"))), Refused)
    snapshot.remove_node("a")
    snapshot.remove_pod(info(pod("early")).key)
    snapshot.set_node(read_node(node("a")))
    assert isinstance(decide(snapshot, info(pod(cpu="2"))), Chosen)


def test_pods_as_if_they_were_there_leave_no_trace() -> None:
    snapshot = cluster(node("a"), pod(on="a", cpu="1"))
    before = facts(snapshot)
    with snapshot.with_pods([(info(pod("ghost", cpu="1", ports=[PORT])), "a")]):
        assert facts(snapshot) != before
    assert facts(snapshot) == before


def test_sums_of_absurd_requests_do_not_wrap_around() -> None:
    snapshot = cluster(node("a"), *(pod(on="a", requests={"example.com/x": "8E"}) for _ in range(40)))
    assert isinstance(decide(snapshot, info(pod(requests={"example.com/x": "1"}))), Refused)
    for one in snapshot.pods_on("a"):
        snapshot.remove_pod(one.key)
    assert snapshot.resources.requested.of("example.com/x")[0] == 0


def test_many_nodes_come_and_go_without_growing_for_ever() -> None:
    snapshot = Snapshot()
    snapshot.labels.column(HOSTNAME)
    for i in range(500):
        snapshot.set_node(read_node(node(f"n{i}")))
        if i >= 20:
            snapshot.remove_node(f"n{i - 20}")
    assert len(snapshot) == 20
    assert snapshot.rows.length <= 64
    assert snapshot.labels.column(HOSTNAME).domains <= 64
