"""The garbage collector: acts on the verdicts of `garbage_graph` over every kind that can be deleted.

Keys are uids. The graph is fed by every change of every kind, and by nothing else; what it needs of an object is its
metadata. One stream tells of all kinds in one order, so when an owner's deletion is heard, everything that was made
before is in the graph. Before anything is done to an object it is read from the API server and judged again as it is
there; what is then done holds for that resourceVersion alone. Before an object is deleted because its owners are gone,
each owner that is not in the graph is asked for by name, and must be gone or have another uid.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from agents.client.events import EventRecorder
from agents.client.outcome import Done, Outcome, RetryAfter
from agents.client.resources import ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.controllers import garbage_graph as graphs
from apiserver.api.status import Conflict, NotFound

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

UNRESOLVED_SECONDS = 30.0
KIN = "kin"


def kin(obj: Obj) -> Iterable[str]:
    """Index function: an object is found by its own uid and by those of its owners."""
    meta = obj["metadata"]
    return {meta["uid"], *(owner["uid"] for owner in meta.get("ownerReferences", ()))}


class GarbageController:
    name = "garbage"

    def __init__(self, agent: Agent, recorder: EventRecorder, refs: Sequence[ResourceRef]) -> None:
        self._rest = agent.rest
        self._refs = {(ref.group, ref.kind): ref for ref in refs}
        self._informers = {ref: agent.informer(ref, metadata_only=True) for ref in refs}
        self._agent = agent
        self._graph = graphs.Graph(kin=self._kin)
        agent.index(KIN, kin)
        self._recorder = recorder.named("garbage-collector-controller")

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return dict.fromkeys(self._informers, self._learn)

    def _kin(self, uid: str) -> Iterable[graphs.Node] | None:
        found = self._agent.recall(KIN, uid)
        if found is None:
            return None
        return [graphs.node_of(ref.api_version, ref.kind, obj) for ref, obj in found if ref in self._informers]

    def _learn(self, delta: Delta) -> Iterable[Key]:
        """A name may be used again: then the object before and the one after are two."""
        touched: list[str] = []
        new = graphs.node_of(delta.ref.api_version, delta.ref.kind, delta.new) if delta.new is not None else None
        if delta.old is not None and (new is None or delta.old["metadata"]["uid"] != new.uid):
            touched += self._graph.remove(delta.old["metadata"]["uid"])
        if new is not None:
            touched += self._graph.put(new)
        return [Key("", uid) for uid in dict.fromkeys(touched)]

    async def reconcile(self, key: Key) -> Outcome:
        node = self._graph.node(key.name)
        if node is None or not graphs.judge(self._graph, node):
            return Done()
        current = await self._current(node)
        if current is None:
            return Done()
        live = graphs.node_of(node.identity.api_version, node.identity.kind, current)
        verdict = graphs.judge(self._graph, live)
        if verdict.ask:
            for reference in verdict.ask:
                await self._ask(live, reference)
            verdict = graphs.judge(self._graph, live)
            if verdict.ask:
                return RetryAfter(UNRESOLVED_SECONDS, "an owner cannot be resolved, or was not heard of yet")
        try:
            await self._act(live, verdict, current)
        except NotFound:
            return Done()
        except Conflict:
            return RetryAfter(0.1, "the object changed meanwhile")
        return Done()

    async def _ask(self, dependent: graphs.Node, reference: graphs.Reference) -> None:
        """Whether an owner exists where its reference says. Of a kind that is not served nothing can be said."""
        ref = self._refs.get((reference["apiVersion"].rpartition("/")[0], reference["kind"]))
        namespace = dependent.identity.namespace
        if ref is None or (ref.namespaced and not namespace):
            log.info("an owner cannot be resolved", uid=dependent.uid, owner=reference["name"], kind=reference["kind"])
            return
        try:
            found = await self._rest.get(
                ref, reference["name"], namespace=namespace if ref.namespaced else "", metadata_only=True
            )
        except NotFound:
            found = None
        if found is not None and found["metadata"]["uid"] == reference["uid"]:
            return
        self._graph.note_absent(reference, namespace)
        if self._graph.node(reference["uid"]) is not None:
            self._warn(dependent, reference)

    def _warn(self, dependent: graphs.Node, reference: graphs.Reference) -> None:
        """The owner is there, but not where a reference can point to."""
        place = dependent.identity
        said = ", ".join(f"{k}: {reference[k]}" for k in ("apiVersion", "kind", "name", "uid"))
        about = {
            "apiVersion": place.api_version,
            "kind": place.kind,
            "metadata": {"namespace": place.namespace, "name": place.name, "uid": dependent.uid},
        }
        message = f'ownerRef [{said}] does not exist in namespace "{place.namespace}"'
        self._recorder.event(about, "Warning", "OwnerRefInvalidNamespace", message)

    async def _act(self, node: graphs.Node, verdict: graphs.Verdict, current: Obj) -> None:
        for dependent in verdict.orphan_dependents:
            await self._drop_references(dependent, [node.uid])
        if verdict.drop_owners:
            kept = graphs.references_without(node.owners, verdict.drop_owners)
            await self._patch_meta(node, current, {"ownerReferences": kept or None})
        if verdict.remove_finalizer:
            finalizers = [f for f in node.finalizers if f != verdict.remove_finalizer]
            await self._patch_meta(node, current, {"finalizers": finalizers or None})
        if verdict.unblock:
            current = await self._patch_meta(node, current, {"ownerReferences": graphs.unblocked(node.owners)})
        if verdict.delete is not None:
            await self._rest.delete(
                self._ref(node),
                node.identity.name,
                namespace=node.identity.namespace,
                uid=node.uid,
                resource_version=current["metadata"]["resourceVersion"],
                propagation_policy=verdict.delete,
            )

    async def _drop_references(self, dependent: graphs.Node, drop: Iterable[str]) -> None:
        """Raises Conflict when the dependent changed meanwhile: then all of it is looked at again."""
        current = await self._current(dependent)
        if current is None:
            return
        owners = current["metadata"].get("ownerReferences", [])
        kept = graphs.references_without(owners, drop)
        if kept == owners:
            return
        try:
            await self._patch_meta(dependent, current, {"ownerReferences": kept or None})
        except NotFound:
            return

    def _ref(self, node: graphs.Node) -> ResourceRef:
        return self._refs[(node.identity.api_version.rpartition("/")[0], node.identity.kind)]

    async def _current(self, node: graphs.Node) -> Obj | None:
        identity = node.identity
        try:
            found = await self._rest.get(
                self._ref(node), identity.name, namespace=identity.namespace, metadata_only=True
            )
        except NotFound:
            return None
        return found if found["metadata"]["uid"] == node.uid else None

    async def _patch_meta(self, node: graphs.Node, current: Obj, change: Obj) -> Obj:
        meta = current["metadata"]
        return await self._rest.patch(
            self._ref(node),
            meta["name"],
            {"metadata": {"uid": meta["uid"], **change}},
            namespace=meta.get("namespace", ""),
            resource_version=meta["resourceVersion"],
        )
