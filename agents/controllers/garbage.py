"""The garbage collector: acts on the verdicts of `garbage_graph` over every kind that can be deleted.

Keys are uids. The graph is fed by every change of every kind; what it needs of an object is its metadata. Before an
object is deleted because its owners are gone, each owner is asked for by name, and must be gone or have another uid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import garbage_graph as graphs
from apiserver.api.status import Conflict, NotFound

Obj = dict[str, Any]

_POLICY = {"delete-background": "Background", "delete-foreground": "Foreground", "delete-orphan": "Orphan"}


class GarbageController:
    name = "garbage"

    def __init__(self, agent: Agent, refs: Sequence[ResourceRef]) -> None:
        self._rest = agent.rest
        self._refs = {(_api_version(ref), ref.kind): ref for ref in refs}
        self._informers = {ref: agent.informer(ref) for ref in refs}
        self._graph = graphs.Graph()

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return dict.fromkeys(self._informers, self._learn)

    def _learn(self, delta: Delta) -> Iterable[Key]:
        if delta.new is None:
            touched = self._graph.remove(delta.object["metadata"]["uid"])
        else:
            touched = self._graph.put(_api_version(delta.ref), delta.ref.kind, delta.new)
        return [Key("", uid) for uid in touched]

    async def reconcile(self, key: Key) -> Outcome:
        verdict = graphs.judge(self._graph, key.name)
        if verdict.ask:
            for owner in verdict.ask:
                await self._ask(key.name, owner)
            verdict = graphs.judge(self._graph, key.name)
            if verdict.ask:
                return RetryAfter(30.0, "an owner of a kind that is not served")
        node = self._graph.nodes.get(key.name)
        if node is None:
            return Done()
        try:
            return await self._act(node, verdict)
        except NotFound:
            self._graph.remove(node.uid)
            return Done()
        except Conflict:
            return RetryAfter(0.1, "the object changed meanwhile")

    async def _ask(self, dependent: str, owner: Mapping[str, Any]) -> None:
        """Whether an owner exists that no change has told of. A kind that is not served cannot have objects."""
        node = self._graph.nodes.get(dependent)
        ref = self._refs.get((owner["apiVersion"], owner["kind"])) or self._same_kind(owner)
        if node is None or ref is None:
            return
        try:
            found = await self._rest.get(
                ref, owner["name"], namespace=node.identity.namespace if ref.namespaced else ""
            )
        except NotFound:
            self._graph.absent.add(owner["uid"])
            return
        if found["metadata"]["uid"] == owner["uid"]:
            self._graph.put(_api_version(ref), ref.kind, found)
        else:
            self._graph.absent.add(owner["uid"])

    def _same_kind(self, owner: Mapping[str, Any]) -> ResourceRef | None:
        """The same group and kind in another version."""
        group = owner["apiVersion"].rpartition("/")[0]
        return next((r for r in self._informers if r.group == group and r.kind == owner["kind"]), None)

    async def _act(self, node: graphs.Node, verdict: graphs.Verdict) -> Outcome:
        for uid in verdict.orphan_dependents:
            await self._drop_references(uid, [node.uid])
        for uid in verdict.delete_dependents:
            dependent = self._graph.nodes.get(uid)
            if dependent is not None:
                await self._delete_dependent(dependent)
        if verdict.drop_owners:
            await self._drop_references(node.uid, verdict.drop_owners)
        if verdict.remove_finalizer:
            await self._remove_finalizer(node, verdict.remove_finalizer)
        if verdict.delete is not None:
            await self._delete(node, _POLICY[verdict.delete])
        return Done()

    def _ref(self, node: graphs.Node) -> ResourceRef:
        return self._refs[(node.identity.api_version, node.identity.kind)]

    async def _delete_dependent(self, dependent: graphs.Node) -> None:
        """In a foreground deletion the dependents go the same way when they have dependents of their own."""
        others = [o for o in dependent.owners if o["uid"] in self._graph.nodes]
        standing = [o for o in others if not self._graph.nodes[o["uid"]].deleting]
        if standing:
            await self._drop_references(
                dependent.uid, [o["uid"] for o in dependent.owners if o["uid"] not in {s["uid"] for s in standing}]
            )
            return
        policy = "Foreground" if self._graph.dependents_of(dependent.uid) else "Background"
        try:
            await self._delete(dependent, policy)
        except NotFound:
            self._graph.remove(dependent.uid)

    async def _delete(self, node: graphs.Node, policy: str) -> None:
        identity = node.identity
        await self._rest.delete(
            self._ref(node),
            identity.name,
            namespace=identity.namespace,
            uid=node.uid,
            propagation_policy=policy,
        )

    async def _drop_references(self, uid: str, drop: Iterable[str]) -> None:
        node = self._graph.nodes.get(uid)
        if node is None:
            return
        current = await self._current(node)
        if current is None:
            return
        kept = graphs.references_without(current["metadata"].get("ownerReferences", ()), drop)
        await self._patch_meta(node, current, {"ownerReferences": kept or None})

    async def _remove_finalizer(self, node: graphs.Node, finalizer: str) -> None:
        current = await self._current(node)
        if current is None:
            return
        kept = [f for f in current["metadata"].get("finalizers", ()) if f != finalizer]
        await self._patch_meta(node, current, {"finalizers": kept or None})

    async def _current(self, node: graphs.Node) -> Obj | None:
        try:
            found = await self._rest.get(self._ref(node), node.identity.name, namespace=node.identity.namespace)
        except NotFound:
            return None
        return found if found["metadata"]["uid"] == node.uid else None

    async def _patch_meta(self, node: graphs.Node, current: Obj, change: Obj) -> None:
        meta = current["metadata"]
        await self._rest.patch(
            self._ref(node),
            meta["name"],
            {"metadata": {"uid": meta["uid"], **change}},
            namespace=meta.get("namespace", ""),
            resource_version=meta["resourceVersion"],
        )


def _api_version(ref: ResourceRef) -> str:
    return f"{ref.group}/{ref.version}" if ref.group else ref.version
