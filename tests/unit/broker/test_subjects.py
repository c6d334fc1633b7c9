"""Every place has one subject, no two share one, and every subject is one that NATS accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import subjects
from broker.subjects import BadSubject, Place

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
NAME = TEXT.filter(bool)


def of(place: Place) -> str:
    return subjects.subject_for(place.group, place.resource, place.namespace, place.name, node=place.node)


PLACES = st.builds(Place, TEXT, NAME, TEXT, NAME, st.none() | TEXT)


@given(PLACES)
def test_a_subject_gives_its_place_back(place: Place) -> None:
    assert subjects.parse(of(place)) == place


@given(PLACES, PLACES)
def test_two_places_never_share_a_subject(one: Place, other: Place) -> None:
    assert (of(one) == of(other)) == (one == other)


@given(PLACES)
def test_a_subject_has_only_characters_that_nats_takes_literally(place: Place) -> None:
    tokens = of(place).split(".")
    assert len(tokens) == (5 if place.node is None else 6)
    for token in tokens:
        assert token
        assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%")


@pytest.mark.parametrize(
    ("place", "subject"),
    [
        (Place("", "pods", "default", "web-1", "node-1"), "changes.core.pods.default.web-1.node-1"),
        (Place("", "pods", "default", "web-1", ""), "changes.core.pods.default.web-1._"),
        (Place("", "namespaces", "", "default"), "changes.core.namespaces._.default"),
        (Place("core", "things", "a", "b"), "changes.%63ore.things.a.b"),
        (
            Place("rbac.authorization.k8s.io", "clusterroles", "", "system:node"),
            "changes.rbac%2Eauthorization%2Ek8s%2Eio.clusterroles._.system%3Anode",
        ),
    ],
)
def test_subjects_look_as_documented(place: Place, subject: str) -> None:
    assert of(place) == subject


@pytest.mark.parametrize(
    "text", ["", "changes", "changes.a.b.c", "other.a.b.c.d", "changes..b.c.d", "changes.a.b.c.%FF"]
)
def test_what_is_not_a_subject_of_ours_is_refused(text: str) -> None:
    with pytest.raises(BadSubject):
        subjects.parse(text)


@pytest.mark.parametrize(
    ("pattern", "subject", "matched"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*.c", "a.b.d", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
        ("a.*.>", "a.b", False),
        ("a.*.>", "a.b.c", True),
    ],
)
def test_a_filter_matches_as_nats_says(pattern: str, subject: str, *, matched: bool) -> None:
    assert subjects.matches(pattern, subject) is matched


def test_a_kubelets_filter_selects_the_pods_of_its_node_alone() -> None:
    mine = subjects.filter_for(group="", resource="pods", node="node-1")
    assert mine == "changes.core.pods.*.*.node-1"
    assert subjects.matches(mine, subjects.subject_for("", "pods", "a", "b", node="node-1"))
    assert not subjects.matches(mine, subjects.subject_for("", "pods", "a", "b", node="node-2"))
    assert not subjects.matches(mine, subjects.subject_for("", "pods", "a", "b", node=""))


def test_a_resources_filter_selects_it_in_every_namespace() -> None:
    pods = subjects.filter_for(group="", resource="pods")
    assert subjects.matches(pods, subjects.subject_for("", "pods", "a", "b", node="n"))
    assert not subjects.matches(pods, subjects.subject_for("", "podtemplates", "a", "b"))
    one = subjects.filter_for(group="", resource="pods", namespace="a", name="b")
    assert subjects.matches(one, subjects.subject_for("", "pods", "a", "b", node="n"))
    deployment = subjects.filter_for(group="apps", resource="deployments", namespace="a", name="b")
    assert subjects.matches(deployment, subjects.subject_for("apps", "deployments", "a", "b"))
