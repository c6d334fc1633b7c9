"""A copy that is never older than what was heard, and never brings back what is gone."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.client.informer import Delta, Informer, is_removed, metadata_of
from agents.client.resources import PODS
from apiserver.api.selectors import LabelSelector

Obj = dict[str, Any]


def pod(name: str, rv: int, *, uid: str = "", namespace: str = "default", **meta: Any) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(rv), **meta},
        "spec": {"nodeName": "n"},
    }


def informer(*objects: Obj, rv: int) -> Informer:
    made = Informer(PODS)
    made.replace(objects, rv)
    return made


def names(i: Informer) -> list[str]:
    return sorted(o["metadata"]["name"] for o in i.list())


def test_a_snapshot_tells_of_what_came_changed_and_went() -> None:
    i = informer(pod("a", 1), pod("b", 2), rv=5)
    deltas = {d.object["metadata"]["name"]: d for d in i.replace([pod("b", 7), pod("c", 6)], 9)}
    assert deltas["a"].new is None
    assert deltas["b"].old == pod("b", 2)
    assert deltas["b"].new == pod("b", 7)
    assert deltas["c"].old is None
    assert names(i) == ["b", "c"]


def test_a_snapshot_does_not_undo_what_was_learned_after_it_was_taken() -> None:
    i = informer(pod("a", 1), rv=5)
    i.learn(pod("b", 12))
    i.learn(pod("a", 13))
    i.replace([pod("a", 1)], 10)
    assert i.get("default", "a") == pod("a", 13)
    assert names(i) == ["a", "b"]


def test_a_change_that_comes_again_does_not_bring_back_what_is_gone() -> None:
    i = informer(pod("b", 3), rv=100)
    delta = i.apply("MODIFIED", pod("a", 50))
    assert delta.new is None
    assert delta.old == pod("a", 50)
    assert names(i) == ["b"]


def test_a_change_that_comes_again_tells_its_keys_again() -> None:
    i = informer(pod("a", 50), rv=100)
    assert i.apply("ADDED", pod("a", 20)).new == pod("a", 50)
    assert i.get("default", "a") == pod("a", 50)


def test_the_answer_of_a_write_is_known_at_once_and_its_delta_comes_with_its_change() -> None:
    i = informer(pod("a", 5, labels={"app": "x"}), rv=5)
    i.learn(pod("a", 8, labels={}))
    assert i.get("default", "a") == pod("a", 8, labels={})
    delta = i.apply("MODIFIED", pod("a", 8, labels={}))
    assert delta.old == pod("a", 5, labels={"app": "x"})
    assert delta.new == pod("a", 8, labels={})


def test_a_late_answer_brings_nothing_back() -> None:
    i = informer(rv=5)
    i.apply("ADDED", pod("a", 6))
    i.apply("DELETED", pod("a", 7))
    i.learn(pod("a", 6))
    assert names(i) == []


def test_the_change_of_a_removal_ends_an_object_whose_answer_had_the_same_version() -> None:
    i = informer(pod("a", 5), rv=5)
    i.learn(pod("a", 8, deletionTimestamp="2026-01-01T00:00:00Z", deletionGracePeriodSeconds=30))
    delta = i.apply("DELETED", pod("a", 8, deletionTimestamp="2026-01-01T00:00:00Z"))
    assert delta.new is None
    assert names(i) == []


def test_a_removal_that_was_learned_stays_until_its_change_comes() -> None:
    i = informer(pod("a", 5), rv=5)
    i.learn_deleted(pod("a", 9))
    assert names(i) == []
    assert i.apply("MODIFIED", pod("a", 7)).new is None
    assert names(i) == []
    assert i.apply("DELETED", pod("a", 9)) == Delta(PODS, pod("a", 5), None)
    assert i.apply("ADDED", pod("a", 10, uid="second")).new == pod("a", 10, uid="second")


def test_a_name_that_is_used_again_tells_of_both_objects() -> None:
    i = informer(pod("a", 5, uid="one"), rv=5)
    i.learn_deleted(pod("a", 6, uid="one"))
    i.learn(pod("a", 7, uid="two"))
    delta = i.apply("DELETED", pod("a", 6, uid="one"))
    assert delta.old == pod("a", 5, uid="one")
    assert delta.new == pod("a", 7, uid="two")
    assert names(i) == ["a"]


def test_a_snapshot_from_before_a_learned_removal_does_not_bring_it_back() -> None:
    i = informer(pod("a", 5), rv=5)
    i.learn_deleted(pod("a", 9))
    i.replace([pod("a", 5)], 7)
    assert names(i) == []


def test_a_removal_answered_with_a_status_tells_nothing() -> None:
    i = informer(pod("a", 5), rv=5)
    i.learn_deleted({"kind": "Status", "status": "Success", "metadata": {}})
    assert names(i) == ["a"]


def test_an_object_on_its_way_out_is_not_removed() -> None:
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert is_removed(pod("a", 1))
    assert is_removed(pod("a", 1, **leaving, deletionGracePeriodSeconds=0))
    assert not is_removed(pod("a", 1, **leaving, deletionGracePeriodSeconds=30))
    assert not is_removed(pod("a", 1, **leaving, finalizers=["x"]))


def test_indexes_and_namespaces_follow() -> None:
    i = informer(pod("a", 1), pod("b", 2, namespace="other"), rv=2)
    i.add_index("node", lambda o: [o["spec"].get("nodeName", "")])
    i.add_index("node", lambda o: [])
    assert [o["metadata"]["name"] for o in i.by_index("node", "n")] == ["a", "b"]
    i.apply("MODIFIED", {**pod("a", 3), "spec": {"nodeName": "m"}})
    assert [o["metadata"]["name"] for o in i.by_index("node", "n")] == ["b"]
    i.apply("DELETED", pod("b", 4, namespace="other"))
    assert list(i.by_index("node", "n")) == []
    assert [o["metadata"]["name"] for o in i.list("default")] == ["a"]
    assert list(i.list("other")) == []


def test_a_list_selects_by_labels() -> None:
    i = informer(pod("a", 1, labels={"app": "web"}), pod("b", 2), rv=2)
    web = LabelSelector.from_object({"matchLabels": {"app": "web"}})
    assert [o["metadata"]["name"] for o in i.list(selector=web)] == ["a"]


def test_of_some_objects_only_the_metadata_is_kept() -> None:
    i = Informer(PODS, keep=metadata_of)
    i.replace([pod("a", 1)], 1)
    i.apply("ADDED", pod("b", 2))
    i.learn(pod("c", 3))
    assert all("spec" not in o for o in i.list())
    assert len(i) == 3


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Obj]]:
    """What the stream holds: objects come, change, go and come back under the same names."""
    alive: dict[str, str] = {}
    changes: list[tuple[str, Obj]] = []
    for rv in range(1, draw(st.integers(1, 25)) + 1):
        name = draw(st.sampled_from("abc"))
        if name not in alive:
            alive[name] = f"{name}{rv}"
            changes.append(("ADDED", pod(name, rv, uid=alive[name])))
        elif draw(st.booleans()):
            changes.append(("MODIFIED", pod(name, rv, uid=alive[name])))
        else:
            changes.append(("DELETED", pod(name, rv, uid=alive.pop(name))))
    return changes


def state_at(changes: list[tuple[str, Obj]], rv: int) -> dict[str, Obj]:
    state: dict[str, Obj] = {}
    for kind, obj in changes[:rv]:
        if kind == "DELETED":
            state.pop(obj["metadata"]["name"], None)
        else:
            state[obj["metadata"]["name"]] = obj
    return state


@given(changes=histories(), data=st.data())
def test_the_copy_equals_the_record_wherever_the_snapshot_was_taken_and_whatever_came_twice(
    changes: list[tuple[str, Obj]], data: st.DataObject
) -> None:
    end = len(changes)
    snapshot, cursor = data.draw(st.integers(0, end)), data.draw(st.integers(0, end))
    i = informer(*state_at(changes, snapshot).values(), rv=snapshot)
    learned = data.draw(st.sets(st.integers(0, end - 1)))
    seen: set[str] = set()
    for n in range(min(cursor, snapshot), end):
        kind, obj = changes[n]
        if n in learned:
            (i.learn_deleted if kind == "DELETED" else i.learn)(obj)
            if n >= i.rv and kind == "DELETED":
                assert i.get("default", obj["metadata"]["name"]) is None
        delta = i.apply(kind, obj)
        seen |= {o["metadata"]["uid"] for o in (delta.old, delta.new) if o is not None}
        known = {o["metadata"]["name"]: o for o in i.list()}
        assert known == state_at(changes, max(n + 1, snapshot))
    assert seen >= {obj["metadata"]["uid"] for _, obj in changes[min(cursor, snapshot) :]}
