"""What a selection becomes on the bus: filters that match what is selected, and never overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import subjects
from broker.selection import ANY, SelectedResource, Selection, consumer_name


def selection(*resources: tuple[str, ...], namespace: str = "", node: str = "") -> Selection:
    return Selection(tuple(SelectedResource(*one) for one in resources), namespace, node)


@pytest.mark.parametrize(
    ("selected", "filters"),
    [
        (selection(("", "configmaps")), ["changes.core.configmaps.>"]),
        (selection(("", "configmaps"), namespace="web"), ["changes.core.configmaps.web.>"]),
        (selection(("", "configmaps", "a.b"), namespace="web"), ["changes.core.configmaps.web.a%2Eb"]),
        (selection(("", "configmaps", "a")), ["changes.core.configmaps.*.a"]),
        (selection(("", "pods", "web")), ["changes.core.pods.*.web.*"]),
        (selection(("", "pods"), node="n1"), ["changes.core.pods.*.*.n1"]),
        (selection(("", "pods"), ("", "nodes"), node="n1"), ["changes.core.nodes.>", "changes.core.pods.*.*.n1"]),
        (selection(("apps", ANY)), ["changes.apps.>"]),
        (selection(("networking.k8s.io", ANY), namespace="web"), ["changes.networking%2Ek8s%2Eio.*.web.>"]),
        (selection((ANY, ANY)), ["changes.>"]),
        (selection((ANY, ANY), namespace="web"), ["changes.*.*.web.>"]),
    ],
)
def test_a_selection_becomes_filter_subjects(selected: Selection, filters: list[str]) -> None:
    assert selected.filters() == filters


@pytest.mark.parametrize(
    ("selected", "filters"),
    [
        (selection(("", "pods"), ("", "pods")), ["changes.core.pods.>"]),
        (selection(("", "pods"), ("", "pods", "web")), ["changes.core.pods.>"]),
        (selection(("", ANY), ("", "pods"), ("apps", "deployments")), ["changes.apps.deployments.>", "changes.core.>"]),
        (selection((ANY, ANY), ("", "pods"), ("apps", ANY)), ["changes.>"]),
        (selection(("", "pods", "a"), ("", "pods", "b")), ["changes.core.pods.*.a.*", "changes.core.pods.*.b.*"]),
    ],
)
def test_a_filter_within_another_is_left_out(selected: Selection, filters: list[str]) -> None:
    assert selected.filters() == filters


_WORDS = st.sampled_from(["", "apps", "pods", "a"])
_RESOURCES = st.one_of(
    st.just((ANY, ANY, "")),
    st.tuples(_WORDS, st.just(ANY), st.just("")),
    st.tuples(_WORDS, st.sampled_from(["pods", "things"]), st.sampled_from(["", "x", "y"])),
)


@given(st.lists(_RESOURCES, min_size=1, max_size=6), st.sampled_from(["", "web"]), st.sampled_from(["", "n1"]))
def test_filters_never_overlap_and_match_what_is_selected(
    resources: list[tuple[str, str, str]], namespace: str, node: str
) -> None:
    made = selection(*resources, namespace=namespace, node=node).filters()
    for group in ("", "apps", "pods", "a"):
        for resource in ("pods", "things"):
            for name in ("x", "y"):
                for where in ("web", "other"):
                    subject = subjects.subject_for(
                        group, resource, where, name, node="n1" if resource == "pods" else None
                    )
                    selected = (not namespace or where == namespace) and any(
                        g == ANY or (g == group and r in (ANY, resource) and n in ("", name)) for g, r, n in resources
                    )
                    matching = [one for one in made if _matches(one, subject)]
                    assert len(matching) <= 1, (subject, matching)
                    # Only pods of the core group carry a node; another group's resource of that name has none.
                    if resource != "pods" or group == "":
                        assert bool(matching) == selected, (subject, made)


def _matches(pattern: str, subject: str) -> bool:
    """As NATS does."""
    wanted, tokens = pattern.split("."), subject.split(".")
    for i, one in enumerate(wanted):
        if one == ">":
            return len(tokens) > i
        if i >= len(tokens) or one not in ("*", tokens[i]):
            return False
    return len(wanted) == len(tokens)


def test_a_consumer_is_called_as_its_subscription_with_what_nats_takes() -> None:
    assert consumer_name("audit-trail") == "audit-trail"
    assert consumer_name("team.audit") == "team%2Eaudit"
