"""What a user reads about a namespace that does not go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agents.client.resources import CONFIGMAPS, DEPLOYMENTS, PODS
from agents.controllers.namespace_decide import Left, conditions
from tests.unit.agents.controllers.objects import NOW, at, pod

Obj = dict[str, Any]


def told(left: Left, namespace: Obj | None = None) -> dict[str, tuple[str, str, str]]:
    made = conditions(namespace or {}, left, NOW)
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in made}


def test_nothing_left_is_told_as_upstream_does() -> None:
    assert told(Left()) == {
        "NamespaceDeletionDiscoveryFailure": (
            "False", "ResourcesDiscovered", "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False", "ParsedGroupVersions", "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": ("False", "ContentRemoved", "All content successfully removed"),
        "NamespaceFinalizersRemaining": (
            "False", "ContentHasNoFinalizers", "All content-preserving finalizers finished",
        ),
    }  # fmt: skip
    assert Left().empty


def test_what_remains_and_what_holds_it_is_counted() -> None:
    left = Left()
    left.count(PODS, [pod("a", deletionTimestamp=at(40)), pod("b", finalizers=["x/y"])], NOW)
    left.count(DEPLOYMENTS, [pod("c", finalizers=["x/y", "z"])], NOW)
    found = told(left)
    assert found["NamespaceContentRemaining"] == (
        "True", "SomeResourcesRemain",
        "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 2 resource instances",
    )  # fmt: skip
    held = "x/y in 2 resource instances, z in 1 resource instances"
    message = f"Some content in the namespace has finalizers remaining: {held}"
    assert found["NamespaceFinalizersRemaining"] == ("True", "SomeFinalizersRemain", message)
    assert not left.empty
    assert left.seconds == 40


def test_nothing_found_counts_nothing() -> None:
    left = Left()
    left.count(CONFIGMAPS, [], NOW)
    assert left.empty


def test_refusals_and_a_failed_discovery_are_told() -> None:
    found = told(Left(errors=["b", "a"], undiscovered="no answer"))
    assert found["NamespaceDeletionContentFailure"] == (
        "True", "ContentDeletionFailed", "Failed to delete all resource types, 2 remaining: a, b",
    )  # fmt: skip
    assert found["NamespaceDeletionDiscoveryFailure"] == ("True", "DiscoveryFailed", "no answer")
    assert not Left(errors=["a"]).empty
    assert not Left(undiscovered="x").empty


def test_a_condition_moves_only_when_its_value_does_and_those_of_others_stay() -> None:
    left = Left()
    left.count(PODS, [pod("a")], NOW)
    namespace = {"status": {"conditions": [{"type": "Theirs", "status": "True"}, *conditions({}, left, NOW)]}}
    left.count(PODS, [pod("b")], NOW)
    later = conditions(namespace, left, NOW + timedelta(seconds=60))
    assert {c.get("lastTransitionTime") for c in later} == {None, at(0)}
    assert later[0] == {"type": "Theirs", "status": "True"}
    gone = {c["type"]: c for c in conditions(namespace, Left(), NOW + timedelta(seconds=60))}
    assert gone["NamespaceContentRemaining"]["lastTransitionTime"] == at(60)
