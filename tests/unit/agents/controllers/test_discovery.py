"""Which resources the collectors reach."""

from __future__ import annotations

from typing import Any

from agents.client.resources import DEPLOYMENTS, NODES, PODS
from agents.controllers.discovery import refs_of

Obj = dict[str, Any]
ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def resource(name: str, kind: str, *, scope: str = "Namespaced", verbs: list[str] = ALL) -> Obj:
    return {"resource": name, "responseKind": {"kind": kind}, "scope": scope, "verbs": verbs}


def group(name: str, *versions: Obj) -> Obj:
    return {"metadata": {"name": name} if name else {}, "versions": list(versions)}


def version(name: str, *resources: Obj) -> Obj:
    return {"version": name, "resources": list(resources)}


def test_the_preferred_version_of_what_can_be_listed_watched_and_deleted() -> None:
    document = {
        "items": [
            group("", version("v1", resource("pods", "Pod"), resource("nodes", "Node", scope="Cluster"))),
            group("apps", version("v1", resource("deployments", "Deployment")), version("v1beta1")),
            group("authentication.k8s.io", version("v1", resource("tokenreviews", "TokenReview", verbs=["create"]))),
        ]
    }
    assert refs_of(document) == [PODS, NODES, DEPLOYMENTS]


def test_events_are_reached_once_and_a_group_without_versions_is_left_out() -> None:
    document = {"items": [group("events.k8s.io", version("v1", resource("events", "Event"))), group("odd")]}
    assert refs_of(document) == []
