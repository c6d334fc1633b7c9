"""A local copy of one resource, kept by a snapshot and the changes behind it, ordered by resourceVersion.

Invariant: everything up to `rv` is in here. So what is older than `rv` and is not here is gone, and neither a change
that comes again nor the late answer of a write brings it back. What is older than what is known changes nothing. The
answers of one's own writes are learned (`learn`, `learn_deleted`) before their changes arrive. Objects are shared:
whoever reads them MUST NOT change them.

An informer that begins with what an earlier life kept on disk (`recall_from`) fetches of it what is asked for when it
is asked for, so each answer is complete from the first moment on, and the start costs the same however much there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agents.client.resources import ResourceRef
from apiserver.api.selectors import LabelSelector

Obj = dict[str, Any]
IndexFunction = Callable[[Obj], Iterable[str]]
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Delta:
    """One object before and after a change. At least one of the two is there."""

    ref: ResourceRef
    old: Obj | None
    new: Obj | None

    @property
    def object(self) -> Obj:
        found = self.new if self.new is not None else self.old
        if found is None:
            raise ValueError("a delta without an object")
        return found


def version_of(obj: Obj) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


def place_of(obj: Obj) -> Place:
    meta = obj["metadata"]
    return (meta.get("namespace", ""), meta["name"])


def is_removed(answer: Obj) -> bool:
    """Whether the answer of a DELETE says that the object is gone, and not only on its way out."""
    meta = answer["metadata"]
    if not meta.get("deletionTimestamp"):
        return True
    return not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")


def metadata_of(obj: Obj) -> Obj:
    """The object without what it says and holds: for those who need to know of it only. `kubectl apply` writes what an
    object holds into an annotation once more, a Secret's values too; so annotations go, and managedFields for room."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in ("annotations", "managedFields")}
    return {"apiVersion": obj.get("apiVersion", ""), "kind": obj.get("kind", ""), "metadata": meta}


def _whole(obj: Obj) -> Obj:
    return obj


class Source(Protocol):
    """What was kept of one resource, and does not change but for what an informer was told."""

    def get(self, place: Place) -> Obj | None: ...

    def in_namespace(self, namespace: str) -> Iterable[Obj]: ...

    def find(self, index: str, value: str) -> Iterable[Obj]: ...

    def pages(self) -> Iterator[Sequence[Obj]]: ...


class Informer:
    """`keep` is what is kept of each object."""

    def __init__(self, ref: ResourceRef, *, keep: Callable[[Obj], Obj] | None = None) -> None:
        self.ref = ref
        self.rv = 0
        self._keep = keep or _whole
        self._objects: dict[Place, Obj] = {}
        self._unseen: dict[Place, Obj | None] = {}
        self._removed: dict[Place, int] = {}
        self._indexers: dict[str, IndexFunction] = {}
        self._indexes: dict[str, dict[str, dict[Place, None]]] = {}
        self._namespaces: dict[str, dict[Place, None]] = {}
        self._source: Source | None = None
        self._complete = True
        """All that the source has is in memory, though not all of it may have been told (`recall`)."""
        self._decided: set[Place] = set()
        """While there is a source: of these places memory says what is there, and not the source."""
        self._fetched: set[tuple[str, str]] = set()
        """Values of indexes, and as those of no index namespaces, of which all is in memory."""

    def keep_whole(self) -> None:
        """From now on objects are kept as they are. Call before the first snapshot."""
        self._keep = _whole

    def recall_from(self, source: Source, rv: int) -> None:
        """Begin with the state at `rv` as the source has it. All indexes are there, and nothing else is known yet."""
        self._source, self._complete, self.rv = source, False, rv

    def recall(self, page: Iterable[Obj]) -> Sequence[Delta]:
        """Take a part of what the source has, as deltas: of what memory knows better, what it knows."""
        for obj in page:
            self._recall(obj)
        places = map(place_of, page)
        return [Delta(self.ref, None, self._objects[place]) for place in places if place in self._objects]

    def recalled(self) -> None:
        """All that the source has was taken."""
        self._source, self._complete = None, True
        self._decided.clear()
        self._fetched.clear()

    def _recall(self, obj: Obj) -> None:
        place = place_of(obj)
        if self._source is not None and place not in self._decided:
            self._store(place, obj)

    def _recall_all(self) -> None:
        if self._source is not None and not self._complete:
            for page in self._source.pages():
                for obj in page:
                    self._recall(obj)
            self._complete = True

    def _recall_some(self, index: str, value: str) -> None:
        source = self._source
        if source is None or self._complete or (index, value) in self._fetched:
            return
        for obj in source.find(index, value) if index else source.in_namespace(value):
            self._recall(obj)
        self._fetched.add((index, value))

    def _known(self, place: Place) -> Obj | None:
        if self._source is not None and not self._complete and place not in self._decided:
            found = self._source.get(place)
            self._decided.add(place)
            if found is not None:
                self._store(place, found)
        return self._objects.get(place)

    def _decide(self, place: Place) -> None:
        if self._source is not None:
            self._decided.add(place)

    def entries(self, obj: Obj) -> Iterator[tuple[str, str]]:
        """The indexes, and the values that an object is found by in them."""
        for name, function in self._indexers.items():
            for value in function(obj):
                yield name, value

    @property
    def indexes(self) -> Sequence[str]:
        return sorted(self._indexers)

    def kept(self, obj: Obj) -> Obj:
        """What is kept of an object."""
        return self._keep(obj)

    def __len__(self) -> int:
        self._recall_all()
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Obj | None:
        return self._known((namespace, name))

    def list(self, namespace: str | None = None, selector: LabelSelector | None = None) -> Iterator[Obj]:
        if namespace is None:
            self._recall_all()
        else:
            self._recall_some("", namespace)
        places = self._objects if namespace is None else self._namespaces.get(namespace, {})
        for place in list(places):
            obj = self._objects[place]
            if selector is None or selector.matches(obj["metadata"].get("labels", {})):
                yield obj

    def add_index(self, name: str, function: IndexFunction) -> None:
        """`function` gives the values that an object is found by. The same index may be added again."""
        if name in self._indexers:
            return
        self._indexers[name] = function
        self._indexes[name] = {}
        for place, obj in self._objects.items():
            self._index(name, function, place, obj)

    def by_index(self, name: str, value: str) -> Sequence[Obj]:
        self._recall_some(name, value)
        return [self._objects[place] for place in self._indexes[name].get(value, ())]

    def replace(self, items: Iterable[Obj], rv: int) -> Sequence[Delta]:
        """Take a snapshot: everything that it holds or no longer holds, as deltas."""
        self.recalled()  # what was not taken of the source is all in the snapshot, or gone
        fresh = {place_of(obj): self._keep(obj) for obj in items}
        deltas: list[Delta] = []
        for place in [p for p in self._objects if p not in fresh]:
            old = self._objects[place]
            if version_of(old) <= rv:
                self._remove(place)
                deltas.append(Delta(self.ref, old, None))
        for place, obj in fresh.items():
            if version_of(obj) < self._removed.get(place, 0):
                continue
            known = self._objects.get(place)
            if known is None or version_of(known) < version_of(obj):
                self._store(place, obj)
            deltas.append(Delta(self.ref, known, self._objects[place]))
        self.rv = max(self.rv, rv)
        self._unseen.clear()
        self._removed = {place: version for place, version in self._removed.items() if version > rv}
        return deltas

    def apply(self, change_type: str, obj: Obj) -> Delta:
        """A change from the stream. What is known already gives a delta too: its keys are to be looked at again."""
        place, version, obj = place_of(obj), version_of(obj), self._keep(obj)
        known = self._known(place)
        before, self.rv = self.rv, max(self.rv, version)
        if known is None and version <= max(before, self._removed.get(place, 0)):
            return Delta(self.ref, self._seen(place, version) or obj, None)
        if known is not None and version <= version_of(known) and not self._ends(known, change_type, version):
            return Delta(self.ref, self._unseen.pop(place, None) or obj, known)
        old = self._unseen.pop(place, None) or known
        if change_type == "DELETED":
            self._remove(place)
            return Delta(self.ref, old or obj, None)
        self._store(place, obj)
        return Delta(self.ref, old, obj)

    @staticmethod
    def _ends(known: Obj, change_type: str, version: int) -> bool:
        """The answer of a DELETE has the resourceVersion of the removal."""
        return change_type == "DELETED" and version == version_of(known)

    def _seen(self, place: Place, version: int) -> Obj | None:
        """The object as it was before its removal was learned, once the change of the removal is here."""
        if version < self._removed.get(place, 0):
            return None
        self._removed.pop(place, None)
        return self._unseen.pop(place, None)

    def learn(self, obj: Obj) -> None:
        """The answer of a write of one's own: known at once, its delta comes with its change."""
        place, version = place_of(obj), version_of(obj)
        known = self._known(place)
        if version <= (version_of(known) if known else max(self.rv, self._removed.get(place, 0))):
            return
        self._unseen.setdefault(place, known)
        self._store(place, self._keep(obj))

    def learn_deleted(self, answer: Obj) -> None:
        """The answer of a DELETE of one's own: the object on its way out, or as it last was. A Status tells nothing."""
        if answer.get("kind") == "Status":
            return
        if not is_removed(answer):
            self.learn(answer)
            return
        place, version = place_of(answer), version_of(answer)
        known = self._known(place)
        if known is None or version_of(known) > version:
            return
        self._unseen.setdefault(place, known)
        self._remove(place)
        if version > self.rv:
            self._removed[place] = version

    def _store(self, place: Place, obj: Obj) -> None:
        self._drop_indexes(place)
        self._removed.pop(place, None)
        self._decide(place)
        self._objects[place] = obj
        self._namespaces.setdefault(place[0], {})[place] = None
        for name, function in self._indexers.items():
            self._index(name, function, place, obj)

    def _remove(self, place: Place) -> None:
        self._drop_indexes(place)
        self._decide(place)
        self._objects.pop(place, None)
        held = self._namespaces.get(place[0], {})
        held.pop(place, None)
        if not held:
            self._namespaces.pop(place[0], None)

    def _index(self, name: str, function: IndexFunction, place: Place, obj: Obj) -> None:
        for value in function(obj):
            self._indexes[name].setdefault(value, {})[place] = None

    def _drop_indexes(self, place: Place) -> None:
        old = self._objects.get(place)
        if old is None:
            return
        for name, function in self._indexers.items():
            for value in function(old):
                held = self._indexes[name].get(value)
                if held is not None:
                    held.pop(place, None)
                    if not held:
                        del self._indexes[name][value]
