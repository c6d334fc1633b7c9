"""Who owns whom, over every object of the control plane, from metadata alone. Pure.

Nodes are objects by uid. A dependent may name an owner that is not there: it is then asked for once from the API
(`absent` remembers the answer), because the owner may only not have been seen yet.

Upstream: pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Obj = Mapping[str, Any]

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Identity:
    """Enough to reach an object by the API. `api_version` and `kind` are as owner references write them."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(slots=True)
class Node:
    uid: str
    identity: Identity
    owners: tuple[Mapping[str, Any], ...] = ()
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    rv: int = 0


@dataclass(slots=True)
class Graph:
    nodes: dict[str, Node] = field(default_factory=dict)
    dependents: dict[str, set[str]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def put(self, api_version: str, kind: str, obj: Obj) -> list[str]:
        """Learn an object. Returns the uids whose fate may have changed."""
        meta = obj["metadata"]
        uid = meta["uid"]
        old = self.nodes.get(uid)
        owners = tuple(meta.get("ownerReferences", ()))
        self.absent.discard(uid)
        self._unlink(old)
        node = Node(
            uid=uid,
            identity=Identity(api_version, kind, meta.get("namespace", ""), meta["name"]),
            owners=owners,
            finalizers=tuple(meta.get("finalizers", ())),
            deleting=bool(meta.get("deletionTimestamp")),
        )
        self.nodes[uid] = node
        for owner in owners:
            self.dependents.setdefault(owner["uid"], set()).add(uid)
        return self._touched(node, old)

    def remove(self, uid: str) -> list[str]:
        """An object is gone: its dependents and those who waited for it are to be looked at."""
        node = self.nodes.pop(uid, None)
        self._unlink(node)
        self.absent.add(uid)
        touched = sorted(self.dependents.get(uid, ()))
        for owner in node.owners if node else ():
            parent = self.nodes.get(owner["uid"])
            if parent and parent.deleting:
                touched.append(parent.uid)
        return touched

    def _unlink(self, node: Node | None) -> None:
        for owner in node.owners if node else ():
            held = self.dependents.get(owner["uid"])
            if held:
                held.discard(node.uid if node else "")
                if not held:
                    del self.dependents[owner["uid"]]

    def _touched(self, node: Node, old: Node | None) -> list[str]:
        touched = []
        if node.owners and (old is None or old.owners != node.owners or old.deleting != node.deleting):
            touched.append(node.uid)
        if node.deleting and (FOREGROUND in node.finalizers or ORPHAN in node.finalizers):
            touched.append(node.uid)
        for owner in (*node.owners, *(old.owners if old else ())):
            parent = self.nodes.get(owner["uid"])
            if parent and parent.deleting and FOREGROUND in parent.finalizers:
                touched.append(parent.uid)
        return list(dict.fromkeys(touched))

    def dependents_of(self, uid: str) -> list[Node]:
        return [self.nodes[d] for d in sorted(self.dependents.get(uid, ())) if d in self.nodes]


Action = Literal["delete-background", "delete-foreground", "delete-orphan"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one object. Empty: leave it alone."""

    ask: tuple[Mapping[str, Any], ...] = ()
    """Owners that are not in the graph and must be asked for first."""
    delete: Action | None = None
    drop_owners: tuple[str, ...] = ()
    """uids of owners that are gone while others stand: their references are removed."""
    delete_dependents: tuple[str, ...] = ()
    orphan_dependents: tuple[str, ...] = ()
    remove_finalizer: str = ""


def judge(graph: Graph, uid: str) -> Verdict:
    """The fate of one object, as far as ownership decides it."""
    node = graph.nodes.get(uid)
    if node is None:
        return Verdict()
    if node.deleting and ORPHAN in node.finalizers:
        return _orphaning(graph, node)
    if node.deleting and FOREGROUND in node.finalizers:
        return _foreground(graph, node)
    if node.deleting or not node.owners:
        return Verdict()
    return _by_owners(graph, node)


def _orphaning(graph: Graph, node: Node) -> Verdict:
    held = tuple(d.uid for d in graph.dependents_of(node.uid))
    return Verdict(orphan_dependents=held, remove_finalizer=ORPHAN)


def _foreground(graph: Graph, node: Node) -> Verdict:
    """Dependents first; those that block the owner's deletion hold its finalizer."""
    dependents = graph.dependents_of(node.uid)
    to_delete = tuple(d.uid for d in dependents if not d.deleting)
    if any(_blocks(d, node.uid) for d in dependents):
        return Verdict(delete_dependents=to_delete)
    return Verdict(delete_dependents=to_delete, remove_finalizer=FOREGROUND)


def _blocks(dependent: Node, owner_uid: str) -> bool:
    return any(o["uid"] == owner_uid and o.get("blockOwnerDeletion") for o in dependent.owners)


def _by_owners(graph: Graph, node: Node) -> Verdict:
    unknown = tuple(o for o in node.owners if o["uid"] not in graph.nodes and o["uid"] not in graph.absent)
    if unknown:
        return Verdict(ask=unknown)
    solid = [o for o in node.owners if o["uid"] in graph.nodes and not _waits(graph, o["uid"])]
    waiting = [o for o in node.owners if o["uid"] in graph.nodes and _waits(graph, o["uid"])]
    gone = [o["uid"] for o in node.owners if o["uid"] in graph.absent]
    if solid:
        loose = (*gone, *(o["uid"] for o in waiting))
        return Verdict(drop_owners=tuple(loose))
    if waiting and graph.dependents_of(node.uid):
        return Verdict(delete="delete-foreground")
    return Verdict(delete=_policy(node))


def _waits(graph: Graph, uid: str) -> bool:
    owner = graph.nodes[uid]
    return owner.deleting and FOREGROUND in owner.finalizers


def _policy(node: Node) -> Action:
    """An object that already carries a deletion finalizer keeps the meaning of it."""
    if ORPHAN in node.finalizers:
        return "delete-orphan"
    if FOREGROUND in node.finalizers:
        return "delete-foreground"
    return "delete-background"


def references_without(owners: Iterable[Mapping[str, Any]], drop: Iterable[str]) -> list[Mapping[str, Any]]:
    gone = set(drop)
    return [o for o in owners if o["uid"] not in gone]
