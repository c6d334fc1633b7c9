"""Ownership decides: background, foreground, orphan, owners that come late or never existed."""

from __future__ import annotations

from typing import Any

from agents.controllers.garbage_graph import FOREGROUND, ORPHAN, Graph, judge

Obj = dict[str, Any]


def thing(uid: str, *owners: Obj, finalizers: tuple[str, ...] = (), deleting: bool = False) -> Obj:
    meta: Obj = {"uid": uid, "name": uid, "namespace": "default", "finalizers": list(finalizers)}
    if owners:
        meta["ownerReferences"] = list(owners)
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": meta}


def owner(uid: str, *, blocks: bool = True) -> Obj:
    return {"apiVersion": "v1", "kind": "Thing", "name": uid, "uid": uid, "blockOwnerDeletion": blocks}


def graph_of(*objects: Obj) -> Graph:
    graph = Graph()
    for obj in objects:
        graph.put("v1", "Thing", obj)
    return graph


def test_a_dependent_of_a_living_owner_is_left_alone() -> None:
    assert judge(graph_of(thing("a"), thing("b", owner("a"))), "b").delete is None


def test_a_dependent_goes_when_its_last_owner_went() -> None:
    graph = graph_of(thing("a"), thing("b", owner("a")))
    assert graph.remove("a") == ["b"]
    assert judge(graph, "b").delete == "delete-background"


def test_an_owner_that_was_never_seen_is_asked_for_before_anything_is_deleted() -> None:
    verdict = judge(graph_of(thing("b", owner("a"))), "b")
    assert verdict.delete is None
    assert [o["uid"] for o in verdict.ask] == ["a"]


def test_one_of_two_owners_gone_only_drops_the_reference() -> None:
    graph = graph_of(thing("a"), thing("c"), thing("b", owner("a"), owner("c")))
    graph.remove("a")
    verdict = judge(graph, "b")
    assert verdict.delete is None
    assert verdict.drop_owners == ("a",)


def test_foreground_deletion_waits_for_blocking_dependents() -> None:
    parent = thing("a", finalizers=(FOREGROUND,), deleting=True)
    graph = graph_of(parent, thing("b", owner("a")))
    assert judge(graph, "a").delete_dependents == ("b",)
    assert judge(graph, "a").remove_finalizer == ""
    assert graph.remove("b") == ["a"]
    assert judge(graph, "a").remove_finalizer == FOREGROUND


def test_a_dependent_that_does_not_block_does_not_hold_its_owner() -> None:
    graph = graph_of(thing("a", finalizers=(FOREGROUND,), deleting=True), thing("b", owner("a", blocks=False)))
    verdict = judge(graph, "a")
    assert verdict.delete_dependents == ("b",)
    assert verdict.remove_finalizer == FOREGROUND


def test_orphaning_frees_the_dependents_and_then_the_owner() -> None:
    graph = graph_of(thing("a", finalizers=(ORPHAN,), deleting=True), thing("b", owner("a")))
    verdict = judge(graph, "a")
    assert verdict.orphan_dependents == ("b",)
    assert verdict.remove_finalizer == ORPHAN
    assert verdict.delete_dependents == ()


def test_a_dependent_that_is_learned_after_its_owner_left_is_still_collected() -> None:
    graph = graph_of(thing("a"))
    graph.remove("a")
    assert graph.put("v1", "Thing", thing("b", owner("a"))) == ["b"]
    assert judge(graph, "b").delete == "delete-background"
