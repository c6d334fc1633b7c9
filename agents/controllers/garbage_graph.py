"""Who owns whom, over every object of the control plane, from metadata alone. Pure.

Nodes are objects by uid. A reference names its owner by uid and by place: group, kind, name and the dependent's own
namespace, unless the owner is cluster-scoped. An owner at another place than its reference says is as good as gone, but
only the API can say so: whatever the graph does not know is asked for first (`Verdict.ask`).

Upstream: pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Obj = Mapping[str, Any]
Reference = Mapping[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
REMEMBERED = 5000


@dataclass(frozen=True, slots=True)
class Identity:
    """Enough to reach an object by the API. `api_version` and `kind` are as owner references write them."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Node:
    uid: str
    identity: Identity
    owners: tuple[Reference, ...] = ()
    finalizers: tuple[str, ...] = ()
    deleting: bool = False

    @property
    def deletes_dependents(self) -> bool:
        """It goes in the foreground: when its dependents are gone."""
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphans_dependents(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers


def node_of(api_version: str, kind: str, obj: Obj) -> Node:
    meta = obj["metadata"]
    return Node(
        uid=meta["uid"],
        identity=Identity(api_version, kind, meta.get("namespace", ""), meta["name"]),
        owners=tuple(meta.get("ownerReferences", ())),
        finalizers=tuple(meta.get("finalizers", ())),
        deleting=bool(meta.get("deletionTimestamp")),
    )


class _Recent:
    """Remembers the last few thousand of what it was told."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, None] = OrderedDict()

    def add(self, key: Hashable) -> None:
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known


@dataclass(slots=True)
class Graph:
    nodes: dict[str, Node] = field(default_factory=dict)
    dependents: dict[str, set[str]] = field(default_factory=dict)
    kin: Callable[[str], Iterable[Node] | None] | None = None
    """What an earlier life knew of the object with a uid and of its dependents; it is asked before the graph is. None,
    and what answers None: everything is in the graph."""
    _decided: set[str] = field(default_factory=set)
    """While kin are asked for: of these objects the graph knows better."""
    _met: set[str] = field(default_factory=set)
    _gone: _Recent = field(default_factory=_Recent)
    _absent: _Recent = field(default_factory=_Recent)

    def node(self, uid: str) -> Node | None:
        self._meet(uid)
        return self.nodes.get(uid)

    def _meet(self, uid: str) -> None:
        """Have the object and its dependents in the graph. Nothing is touched by that: none of it is news."""
        if self.kin is None or uid in self._met:
            return
        found = self.kin(uid)
        if found is None:
            self.kin = None
            self._decided.clear()
            self._met.clear()
            return
        self._met.add(uid)
        for node in found:
            if node.uid not in self._decided:
                self._link(node)

    def _decide(self, uid: str) -> None:
        if self.kin is not None:
            self._decided.add(uid)

    def _link(self, node: Node) -> None:
        self._decide(node.uid)
        self.nodes[node.uid] = node
        for owner in node.owners:
            self.dependents.setdefault(owner["uid"], set()).add(node.uid)

    def put(self, node: Node) -> list[str]:
        """Learn an object. Returns the uids whose fate may have changed."""
        old = self.node(node.uid)
        self._unlink(old)
        self._link(node)
        return self._touched(node, old)

    def remove(self, uid: str) -> list[str]:
        """An object is gone: its dependents and those who waited for it are to be looked at."""
        self._meet(uid)
        node = self.nodes.pop(uid, None)
        self._decide(uid)
        self._unlink(node)
        self._gone.add(uid)
        parents = self._parents(node.owners if node else ())
        return [*sorted(self.dependents.get(uid, ())), *(parent.uid for parent in parents if parent.deletes_dependents)]

    def note_absent(self, reference: Reference, namespace: str) -> None:
        """The API has no such owner at that place."""
        self._absent.add(_place(reference, namespace))

    def dependents_of(self, uid: str) -> list[Node]:
        self._meet(uid)
        return [self.nodes[d] for d in sorted(self.dependents.get(uid, ())) if d in self.nodes]

    def owner(self, reference: Reference, dependent: Node) -> Node | Literal["gone", "unknown"]:
        node = self.node(reference["uid"])
        if node is not None and _agrees(node.identity, reference, dependent.identity.namespace):
            return node
        if node is None and reference["uid"] in self._gone:
            return "gone"
        return "gone" if _place(reference, dependent.identity.namespace) in self._absent else "unknown"

    def _parents(self, owners: Iterable[Reference]) -> list[Node]:
        return [node for owner in owners if (node := self.node(owner["uid"])) is not None]

    def _unlink(self, node: Node | None) -> None:
        for owner in node.owners if node else ():
            held = self.dependents.get(owner["uid"])
            if held and node:
                held.discard(node.uid)
                if not held:
                    del self.dependents[owner["uid"]]

    def _touched(self, node: Node, old: Node | None) -> list[str]:
        touched: list[str] = []
        changed = old is None or (old.owners, old.deleting) != (node.owners, node.deleting)
        if (node.owners and changed) or node.deletes_dependents or node.orphans_dependents:
            touched.append(node.uid)
        if node.deletes_dependents and not (old is not None and old.deletes_dependents):
            touched += sorted(self.dependents.get(node.uid, ()))
        if changed:
            parents = self._parents([*node.owners, *(old.owners if old else ())])
            touched += [parent.uid for parent in parents if parent.deletes_dependents]
        return list(dict.fromkeys(touched))


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _agrees(owner: Identity, reference: Reference, namespace: str) -> bool:
    return (
        (owner.kind, owner.name) == (reference["kind"], reference["name"])
        and _group(owner.api_version) == _group(reference["apiVersion"])
        and owner.namespace in ("", namespace)
    )


def _place(reference: Reference, namespace: str) -> tuple[str, ...]:
    return (reference["uid"], _group(reference["apiVersion"]), reference["kind"], reference["name"], namespace)


Policy = Literal["Background", "Foreground", "Orphan"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one object. Empty: leave it alone."""

    ask: tuple[Reference, ...] = ()
    """Owners that are not known and must be asked for first."""
    delete: Policy | None = None
    drop_owners: tuple[str, ...] = ()
    """uids of owners that are gone or going while others stand: their references are removed."""
    unblock: bool = False
    """Its owner waits for it, and it waits for its owner: it must not block any more."""
    orphan_dependents: tuple[Node, ...] = ()
    remove_finalizer: str = ""

    def __bool__(self) -> bool:
        return self != _NOTHING


_NOTHING = Verdict()


def judge(graph: Graph, node: Node) -> Verdict:
    """The fate of one object, as far as ownership decides it."""
    if node.orphans_dependents:
        return Verdict(orphan_dependents=tuple(graph.dependents_of(node.uid)), remove_finalizer=ORPHAN)
    if node.deletes_dependents:
        blocked = any(_blocks(d, node.uid) for d in graph.dependents_of(node.uid))
        return _NOTHING if blocked else Verdict(remove_finalizer=FOREGROUND)
    if node.deleting or not node.owners:
        return _NOTHING
    return _by_owners(graph, node)


def _blocks(dependent: Node, owner_uid: str) -> bool:
    return any(o["uid"] == owner_uid and o.get("blockOwnerDeletion") for o in dependent.owners)


def _by_owners(graph: Graph, node: Node) -> Verdict:
    owners = [(reference, graph.owner(reference, node)) for reference in node.owners]
    unknown = tuple(reference for reference, owner in owners if owner == "unknown")
    if unknown:
        return Verdict(ask=unknown)
    nodes = [owner for _, owner in owners if isinstance(owner, Node)]
    if any(not owner.deletes_dependents for owner in nodes):
        loose = [r["uid"] for r, owner in owners if not isinstance(owner, Node) or owner.deletes_dependents]
        return Verdict(drop_owners=tuple(loose))
    dependents = graph.dependents_of(node.uid)
    if nodes and dependents:
        return Verdict(delete="Foreground", unblock=any(d.deletes_dependents for d in dependents))
    return Verdict(delete=_policy(node))


def _policy(node: Node) -> Policy:
    """An object that already carries a deletion finalizer keeps the meaning of it."""
    if ORPHAN in node.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in node.finalizers else "Background"


def references_without(owners: Iterable[Reference], drop: Iterable[str]) -> list[Reference]:
    gone = set(drop)
    return [o for o in owners if o["uid"] not in gone]


def unblocked(owners: Sequence[Reference]) -> list[Reference]:
    """The same references, none of which holds its owner."""
    return [{**o, "blockOwnerDeletion": False} if o.get("blockOwnerDeletion") else o for o in owners]
