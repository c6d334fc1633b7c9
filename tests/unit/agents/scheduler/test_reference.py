"""What arrays answer is what a plain reading of the objects answers."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.scheduler.decide import judge, reasons_at
from tests.unit.agents.scheduler.build import (
    HOSTNAME,
    ZONE,
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
from tests.unit.agents.scheduler.reference import Reference

Obj = dict[str, Any]

APPS = st.sampled_from(("web", "db"))
NAMESPACES = st.sampled_from(("default", "other"))
TOPOLOGIES = st.sampled_from((HOSTNAME, ZONE, "rack"))
EFFECTS = st.sampled_from(("NoSchedule", "NoExecute", "PreferNoSchedule"))


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Obj:
    taints = [{"key": key, "value": "v", "effect": draw(EFFECTS)} for key in draw(st.sets(st.sampled_from("tu")))]
    labels = {key: draw(st.sampled_from("12")) for key in draw(st.sets(st.sampled_from(("rack", "disk"))))}
    return node(
        name,
        cpu=draw(st.sampled_from(("1", "4"))),
        pods=draw(st.sampled_from(("2", "9"))),
        zone=draw(st.sampled_from(("", "a", "b", "c"))),
        taints=taints if draw(st.booleans()) else [],
        labels=labels,
        unschedulable=draw(st.integers(0, 9)) == 0,
    )


@st.composite
def node_terms(draw: st.DrawFn) -> Obj:
    key = draw(st.sampled_from(("rack", "disk", ZONE)))
    operator = draw(st.sampled_from(("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")))
    values = {"In": ("1", "a"), "NotIn": ("2", "b"), "Gt": ("1",), "Lt": ("2",)}.get(operator, ())
    return {"matchExpressions": [expression(key, operator, *values)]}


@st.composite
def pod_terms(draw: st.DrawFn) -> Obj:
    more = {"namespaces": [draw(NAMESPACES)]} if draw(st.booleans()) else {}
    return pod_term({"app": draw(APPS)}, draw(TOPOLOGIES), **more)


@st.composite
def constraints(draw: st.DrawFn) -> Obj:
    return spread(
        draw(TOPOLOGIES),
        {"app": draw(APPS)},
        skew=draw(st.integers(1, 2)),
        minDomains=draw(st.integers(1, 3)),
        nodeAffinityPolicy=draw(st.sampled_from(("Honor", "Ignore"))),
        nodeTaintsPolicy=draw(st.sampled_from(("Honor", "Ignore"))),
    )


@st.composite
def pods(draw: st.DrawFn, on: str = "") -> Obj:
    """Most rules are left out most of the time, or no node would ever do."""

    def sometimes(what: st.SearchStrategy[Any], *, most: int = 2) -> list[Any]:
        return draw(st.lists(what, max_size=most)) if draw(st.integers(0, 2)) == 0 else []

    affinity: Obj = {}
    if terms := sometimes(node_terms()):
        affinity |= node_affinity(required=terms)
    for field in ("podAffinity", "podAntiAffinity"):
        if terms := sometimes(pod_terms()):
            affinity |= pod_affinity(field, required=terms)
    addresses = st.sampled_from(("", "10.0.0.1", "10.0.0.2"))
    ports = [{"containerPort": 80, "hostPort": 80, "hostIP": ip, "protocol": "TCP"} for ip in sometimes(addresses)]
    rules = {c["topologyKey"]: c for c in sometimes(constraints())}
    return pod(
        on=on,
        cpu=draw(st.sampled_from(("", "500m", "1500m"))),
        namespace=draw(NAMESPACES),
        labels={"app": draw(APPS)},
        terminating=bool(on) and draw(st.booleans()),
        ports=ports,
        affinity=affinity,
        topologySpreadConstraints=list(rules.values()),
        tolerations=draw(st.sampled_from(([], [{"operator": "Exists"}], [{"key": "t", "operator": "Exists"}]))),
        nodeSelector=draw(st.sampled_from(({}, {}, {"disk": "1"}))),
    )


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_the_arrays_say_what_a_plain_reading_says(data: st.DataObject) -> None:
    names = [f"n{i}" for i in range(data.draw(st.integers(1, 5)))]
    machines = [data.draw(nodes(name)) for name in names]
    placed = [data.draw(pods(on=data.draw(st.sampled_from(names)))) for _ in range(data.draw(st.integers(0, 8)))]
    wanted = data.draw(pods())
    snapshot = cluster(*machines, *placed)
    outcome = judge(snapshot, info(wanted))
    reference = Reference(machines, placed)
    anywhere = outcome.feasible.any()
    for machine in machines:
        name = machine["metadata"]["name"]
        told = reasons_at(snapshot, outcome, name)
        expected = reference.reasons(wanted, machine)
        assert (told is None) == (not expected), name
        if not anywhere:
            assert sorted(told or ()) == sorted(expected), name
