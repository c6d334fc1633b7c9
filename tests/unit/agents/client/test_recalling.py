"""An informer that fetches what was kept when it is asked for answers as one that has all of it in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.client.informer import Informer, Place, place_of
from agents.client.resources import PODS
from apiserver.api.selectors import LabelSelector

Obj = dict[str, Any]
NAMESPACES, NAMES, APPS = ("a", "b"), ("x", "y", "z"), ("web", "db")
KEPT_RV = 100


def pod(namespace: str, name: str, version: int, app: str) -> Obj:
    meta = {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": str(version)}
    return {"metadata": {**meta, "labels": {"app": app}}}


def by_app(obj: Obj) -> Iterable[str]:
    return [obj["metadata"]["labels"]["app"]]


class Shelf:
    """A source in memory, that counts what is fetched."""

    def __init__(self, objects: Iterable[Obj]) -> None:
        self._objects = {place_of(obj): obj for obj in objects}
        self.fetched = 0

    def _fetch(self, found: list[Obj]) -> list[Obj]:
        self.fetched += len(found)
        return found

    def get(self, place: Place) -> Obj | None:
        found = self._objects.get(place)
        return self._fetch([found])[0] if found is not None else None

    def in_namespace(self, namespace: str) -> Iterable[Obj]:
        return self._fetch([obj for place, obj in self._objects.items() if place[0] == namespace])

    def find(self, index: str, value: str) -> Iterable[Obj]:
        assert index == "app"
        return self._fetch([obj for obj in self._objects.values() if value in by_app(obj)])

    def pages(self) -> Iterator[Sequence[Obj]]:
        for obj in self._objects.values():
            yield self._fetch([obj])


places = st.tuples(st.sampled_from(NAMESPACES), st.sampled_from(NAMES))
kept_objects = st.dictionaries(places, st.tuples(st.integers(1, KEPT_RV), st.sampled_from(APPS)))
asked = st.one_of(
    st.tuples(st.just("get"), places),
    st.tuples(st.just("list"), st.sampled_from((*NAMESPACES, None))),
    st.tuples(st.just("find"), st.sampled_from(APPS)),
    st.tuples(st.just("len"), st.none()),
    st.tuples(st.sampled_from(("ADDED", "MODIFIED", "DELETED")), places, st.sampled_from(APPS)),
    st.tuples(st.sampled_from(("again", "learn", "learn-deleted")), places, st.sampled_from(APPS)),
    st.tuples(st.just("recall"), st.integers(0, 3)),
)


class Pair:
    """The same is done to both, and both must answer the same."""

    def __init__(self, kept: Iterable[Obj]) -> None:
        objects = list(kept)
        self.shelf = Shelf(objects)
        self.lazy, self.whole = Informer(PODS), Informer(PODS)
        for informer in (self.lazy, self.whole):
            informer.add_index("app", by_app)
        self.whole.replace(objects, KEPT_RV)
        self.lazy.recall_from(self.shelf, KEPT_RV)
        self._pages = self.shelf.pages()
        self._version = KEPT_RV

    def do(self, what: tuple[Any, ...]) -> None:
        if what[0] == "recall":
            for page in [page for _, page in zip(range(what[1]), self._pages, strict=False)]:
                for delta in self.lazy.recall(page):
                    assert delta.new == self.whole.get(*place_of(delta.object))
            return
        self._version += 1
        one, other = (_done(informer, what, self._version) for informer in (self.lazy, self.whole))
        assert one == other, what


def _done(informer: Informer, what: tuple[Any, ...], version: int) -> Any:
    match what:
        case ("get", place):
            return informer.get(*place)
        case ("list", namespace):
            return sorted(map(str, informer.list(namespace))), sorted(
                map(str, informer.list(namespace, LabelSelector.parse("app=web")))
            )
        case ("find", app):
            return sorted(map(str, informer.by_index("app", app)))
        case ("len", _):
            return len(informer)
        case ("learn", (namespace, name), app):
            return informer.learn(pod(namespace, name, version, app))
        case ("learn-deleted", (namespace, name), app):
            return informer.learn_deleted(pod(namespace, name, version, app))
        case ("again", (namespace, name), app):
            return informer.apply("MODIFIED", pod(namespace, name, KEPT_RV // 2, app))
        case (kind, (namespace, name), app):
            return informer.apply(kind, pod(namespace, name, version, app))
    raise AssertionError(what)


@settings(max_examples=300, deadline=None)
@given(kept=kept_objects, steps=st.lists(asked, max_size=25))
def test_it_answers_as_one_that_has_everything(kept: dict[Place, tuple[int, str]], steps: list[Any]) -> None:
    pair = Pair(pod(*place, version, app) for place, (version, app) in kept.items())
    for step in steps:
        pair.do(step)
    for step in [("list", None), *(("find", app) for app in APPS), ("len", None)]:
        pair.do(step)


def test_it_fetches_what_it_is_asked_for_and_nothing_twice() -> None:
    pair = Pair(pod(namespace, name, 7, "web" if name == "x" else "db") for namespace in NAMESPACES for name in NAMES)
    lazy, shelf = pair.lazy, pair.shelf
    assert lazy.get("a", "x") is not None
    assert lazy.get("a", "x") is not None
    assert shelf.fetched == 1
    assert len(lazy.by_index("app", "web")) == 2
    assert len(lazy.by_index("app", "web")) == 2
    assert shelf.fetched == 3
    lazy.apply("DELETED", pod("b", "y", 101, "db"))
    assert shelf.fetched == 4
    assert lazy.get("b", "y") is None
    assert shelf.fetched == 4


def test_a_snapshot_ends_the_fetching() -> None:
    pair = Pair([pod("a", "x", 7, "web"), pod("a", "y", 7, "web")])
    assert pair.lazy.get("a", "x") is not None
    pair.lazy.replace([pod("a", "x", 7, "web")], 120)
    assert pair.lazy.get("a", "y") is None
    assert pair.shelf.fetched == 1
