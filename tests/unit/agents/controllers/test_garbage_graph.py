"""Ownership decides: background, foreground, orphan, owners that come late, never existed, or are elsewhere."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.controllers import garbage_graph as graphs
from agents.controllers.garbage_graph import FOREGROUND, ORPHAN, Graph, Node, Verdict, judge, node_of

Obj = dict[str, Any]
NOTHING = Verdict()


def thing(
    uid: str,
    *owners: Obj,
    finalizers: tuple[str, ...] = (),
    deleting: bool = False,
    namespace: str = "default",
) -> Node:
    meta: Obj = {"uid": uid, "name": uid, "namespace": namespace, "finalizers": list(finalizers)}
    if owners:
        meta["ownerReferences"] = list(owners)
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return node_of("v1", "Thing", {"metadata": meta})


def owner(uid: str, *, blocks: bool = True, **changes: str) -> Obj:
    return {"apiVersion": "v1", "kind": "Thing", "name": uid, "uid": uid, "blockOwnerDeletion": blocks, **changes}


def graph_of(*nodes: Node) -> Graph:
    graph = Graph()
    for node in nodes:
        graph.put(node)
    return graph


def verdict(graph: Graph, uid: str) -> Verdict:
    return judge(graph, graph.nodes[uid])


def asked(found: Verdict) -> list[str]:
    return [reference["uid"] for reference in found.ask]


def test_a_dependent_of_a_living_owner_is_left_alone() -> None:
    assert verdict(graph_of(thing("a"), thing("b", owner("a"))), "b") == NOTHING


def test_a_dependent_goes_when_its_last_owner_went() -> None:
    graph = graph_of(thing("a"), thing("b", owner("a")))
    assert graph.remove("a") == ["b"]
    assert verdict(graph, "b") == Verdict(delete="Background")


def test_an_owner_that_was_never_seen_is_asked_for_before_anything_is_deleted() -> None:
    graph = graph_of(thing("b", owner("a")))
    found = verdict(graph, "b")
    assert (found.delete, asked(found)) == (None, ["a"])
    graph.note_absent(owner("a"), "default")
    assert verdict(graph, "b") == Verdict(delete="Background")


def test_an_owner_that_was_heard_of_after_all_saves_its_dependents() -> None:
    graph = graph_of(thing("b", owner("a")))
    graph.put(thing("a"))
    assert verdict(graph, "b") == NOTHING


def test_one_of_two_owners_gone_only_drops_the_reference() -> None:
    graph = graph_of(thing("a"), thing("c"), thing("b", owner("a"), owner("c")))
    graph.remove("a")
    assert verdict(graph, "b") == Verdict(drop_owners=("a",))


def test_foreground_deletion_takes_the_dependents_first_and_waits_for_those_that_block() -> None:
    graph = graph_of(thing("a"), thing("b", owner("a")), thing("c", owner("b")))
    assert graph.put(thing("a", finalizers=(FOREGROUND,), deleting=True)) == ["a", "b"]
    assert verdict(graph, "a") == NOTHING
    assert verdict(graph, "b") == Verdict(delete="Foreground")
    assert graph.put(thing("b", owner("a"), finalizers=(FOREGROUND,), deleting=True)) == ["b", "c", "a"]
    assert verdict(graph, "c") == Verdict(delete="Background")
    assert graph.remove("c") == ["b"]
    assert verdict(graph, "b") == Verdict(remove_finalizer=FOREGROUND)
    assert graph.remove("b") == ["a"]
    assert verdict(graph, "a") == Verdict(remove_finalizer=FOREGROUND)


def test_a_dependent_that_does_not_block_does_not_hold_its_owner() -> None:
    graph = graph_of(thing("a", finalizers=(FOREGROUND,), deleting=True), thing("b", owner("a", blocks=False)))
    assert verdict(graph, "a") == Verdict(remove_finalizer=FOREGROUND)


def test_a_dependent_with_another_owner_is_let_go_by_one_that_goes_in_the_foreground() -> None:
    graph = graph_of(
        thing("a", finalizers=(FOREGROUND,), deleting=True), thing("c"), thing("b", owner("a"), owner("c"))
    )
    assert verdict(graph, "b") == Verdict(drop_owners=("a",))


def test_two_that_own_each_other_do_not_wait_for_each_other_for_ever() -> None:
    graph = graph_of(
        thing("a", owner("b"), finalizers=(FOREGROUND,), deleting=True),
        thing("b", owner("a")),
    )
    assert verdict(graph, "b") == Verdict(delete="Foreground", unblock=True)
    assert [o["blockOwnerDeletion"] for o in graphs.unblocked(graph.nodes["b"].owners)] == [False]


def test_orphaning_frees_the_dependents_and_then_the_owner() -> None:
    child = thing("b", owner("a"))
    graph = graph_of(thing("a", finalizers=(ORPHAN,), deleting=True), child)
    assert verdict(graph, "a") == Verdict(orphan_dependents=(child,), remove_finalizer=ORPHAN)


def test_finalizers_of_others_do_not_concern_the_collector() -> None:
    assert verdict(graph_of(thing("a", finalizers=("x/y",), deleting=True)), "a") == NOTHING


def test_what_is_being_deleted_already_is_not_deleted_again() -> None:
    graph = graph_of(thing("a"), thing("b", owner("a"), deleting=True))
    graph.remove("a")
    assert verdict(graph, "b") == NOTHING


def test_a_dependent_that_is_learned_after_its_owner_left_is_still_collected() -> None:
    graph = graph_of(thing("a"))
    graph.remove("a")
    assert graph.put(thing("b", owner("a"))) == ["b"]
    assert verdict(graph, "b") == Verdict(delete="Background")


def test_the_finalizer_that_an_object_carries_says_how_it_is_deleted() -> None:
    for finalizers, policy in (((ORPHAN,), "Orphan"), ((FOREGROUND,), "Foreground"), ((), "Background")):
        graph = graph_of(thing("b", owner("a"), finalizers=finalizers))
        graph.remove("a")
        assert verdict(graph, "b").delete == policy


def test_an_owner_in_another_namespace_does_not_count_as_one() -> None:
    graph = graph_of(thing("a", namespace="other"), thing("b", owner("a")))
    assert asked(verdict(graph, "b")) == ["a"]
    graph.note_absent(owner("a"), "default")
    assert verdict(graph, "b") == Verdict(delete="Background")


def test_what_is_absent_in_one_namespace_is_not_so_in_another() -> None:
    graph = graph_of(thing("b", owner("a")), thing("c", owner("a"), namespace="other"))
    graph.note_absent(owner("a"), "default")
    assert verdict(graph, "b") == Verdict(delete="Background")
    assert asked(verdict(graph, "c")) == ["a"]


def test_a_cluster_scoped_owner_counts_everywhere() -> None:
    assert verdict(graph_of(thing("a", namespace=""), thing("b", owner("a"))), "b") == NOTHING


def test_an_owner_of_another_kind_or_name_than_the_reference_says_is_asked_for() -> None:
    for changes in ({"kind": "Other"}, {"name": "x"}, {"apiVersion": "apps/v1"}):
        assert asked(verdict(graph_of(thing("a"), thing("b", owner("a", **changes))), "b")) == ["a"]


def test_another_version_of_the_owners_group_is_the_same_kind() -> None:
    graph = Graph()
    graph.put(node_of("apps/v1", "Thing", {"metadata": {"uid": "a", "name": "a", "namespace": "default"}}))
    graph.put(thing("b", owner("a", apiVersion="apps/v1beta1")))
    assert verdict(graph, "b") == NOTHING


def test_changes_that_concern_nobody_touch_nothing() -> None:
    graph = graph_of(thing("a"), thing("b", owner("a")))
    assert graph.put(thing("b", owner("a"))) == []
    assert graph.put(thing("a")) == []
    assert graph.remove("b") == []


def test_a_reference_that_is_dropped_frees_the_one_who_waited() -> None:
    graph = graph_of(thing("a", finalizers=(FOREGROUND,), deleting=True), thing("b", owner("a")))
    assert "a" in graph.put(thing("b"))
    assert verdict(graph, "a") == Verdict(remove_finalizer=FOREGROUND)


def test_only_so_many_absences_are_remembered() -> None:
    graph = Graph()
    for n in range(graphs.REMEMBERED + 10):
        graph.put(thing(str(n)))
        graph.remove(str(n))
    graph.put(thing("b", owner("0"), owner(str(graphs.REMEMBERED))))
    assert asked(verdict(graph, "b")) == ["0"]
    assert graph.dependents.keys() == {"0", str(graphs.REMEMBERED)}


def test_references_are_dropped_by_uid() -> None:
    assert graphs.references_without([owner("a"), owner("b")], ["a"]) == [owner("b")]


class Api:
    """Objects that react to the collector as the API server does, and a graph that hears of each change."""

    def __init__(self, objects: dict[str, set[str]]) -> None:
        self.objects = {uid: thing(uid, *map(owner, sorted(owners))) for uid, owners in objects.items()}
        self.graph = Graph()
        self.queue: list[str] = []
        for node in self.objects.values():
            self.queue += self.graph.put(node)

    def write(self, node: Node) -> None:
        if node.deleting and not node.finalizers:
            del self.objects[node.uid]
            self.queue += self.graph.remove(node.uid)
        else:
            self.objects[node.uid] = node
            self.queue += self.graph.put(node)

    def delete(self, uid: str, policy: str) -> None:
        node = self.objects[uid]
        finalizer = {"Foreground": (FOREGROUND,), "Orphan": (ORPHAN,)}.get(policy, ())
        self.write(Node(uid, node.identity, node.owners, finalizer, deleting=True))

    def change(self, node: Node, **changes: Any) -> None:
        fields = {"owners": node.owners, "finalizers": node.finalizers, "deleting": node.deleting, **changes}
        self.write(Node(node.uid, node.identity, **fields))

    def collect(self) -> None:
        """Until nothing is left to do."""
        for _ in range(2000):
            if not self.queue:
                return
            uid = self.queue.pop(0)
            node = self.objects.get(uid)
            if node is not None:
                self.act(node, judge(self.graph, node))
        raise AssertionError("the collector does not come to rest")

    def act(self, node: Node, found: Verdict) -> None:
        for reference in found.ask:
            self.graph.note_absent(reference, "default")
        if found.ask:
            self.queue.append(node.uid)
        for child in found.orphan_dependents:
            self.change(self.objects[child.uid], owners=tuple(graphs.references_without(child.owners, [node.uid])))
        if found.drop_owners:
            self.change(node, owners=tuple(graphs.references_without(node.owners, found.drop_owners)))
        if found.remove_finalizer:
            rest = tuple(f for f in node.finalizers if f != found.remove_finalizer)
            self.change(node, finalizers=rest)
        if found.unblock:
            self.change(node, owners=tuple(graphs.unblocked(node.owners)))
        if found.delete:
            self.delete(node.uid, found.delete)


@st.composite
def ownerships(draw: st.DrawFn) -> dict[str, set[str]]:
    """Any graph, also with cycles and with owners that never existed."""
    uids = [f"u{n}" for n in range(draw(st.integers(1, 7)))]
    candidates = st.sampled_from([*uids, "never"])
    return {uid: draw(st.sets(candidates, max_size=3)) - {uid} for uid in uids}


@settings(deadline=None)
@given(objects=ownerships(), policy=st.sampled_from(["Background", "Foreground", "Orphan"]), data=st.data())
def test_what_has_a_living_owner_stays_what_lost_all_goes_and_the_collector_comes_to_rest(
    objects: dict[str, set[str]], policy: str, data: st.DataObject
) -> None:
    api = Api(objects)
    api.collect()
    expected = surviving(objects)
    assert set(api.objects) == expected
    if not expected:
        return
    victim = data.draw(st.sampled_from(sorted(expected)))
    before = {uid: {o["uid"] for o in node.owners} for uid, node in api.objects.items()}
    api.delete(victim, policy)
    api.collect()
    if policy == "Orphan":
        before = {uid: owners - {victim} for uid, owners in before.items()}
    left = {uid: owners for uid, owners in before.items() if uid != victim}
    roots = {uid for uid, owners in before.items() if not owners}
    if policy == "Foreground" and victim not in roots:
        # In a cycle the owner may wait for what waits for it; all of it goes in the end.
        assert victim not in api.objects
    assert set(api.objects) == surviving(left)
    assert all(not node.deleting for node in api.objects.values())


def surviving(objects: dict[str, set[str]]) -> set[str]:
    """What stays: an object without owners, or with one that stays. A cycle that owns itself stays too."""
    alive = set(objects)
    while True:
        lost = {uid for uid in alive if objects[uid] and not objects[uid] & alive}
        if not lost:
            return alive
        alive -= lost
