"""The pods of this kubelet's nodes: from the API's changes to workers, one for each pod.

A reconcile hands the newest pod to its worker, which keeps it on disk; then the change is done. What the worker makes
of it takes its own time, and is begun again from what is there after a crash, so no acknowledgement waits for it.

A pod that is new here is checked against the node's room (`admission`). One that the API no longer has is ended at
once. Two pods of the same name (one removed by force, its successor here already) have a worker each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import structlog

from agents.client.informer import Informer
from agents.client.outcome import Done, Outcome
from agents.client.resources import PODS, ResourceRef
from agents.client.runtime import Delta, Key
from agents.kubelet.admission import NodeView, Refusal, refusal
from agents.kubelet.host import Host
from agents.kubelet.pod_worker import PodWorker
from agents.kubelet.podspec import TERMINAL_PHASES, Obj, format_time, full_name, is_deleted, phase_of, uid_of
from agents.kubelet.runtime import PodUid
from broker.workqueue import WorkQueue

log = structlog.get_logger(__name__)

BY_NODE = "node"
LONGEST_TURN_SECONDS = 0.01

K = TypeVar("K")


class Pods:
    """Implements `Controller`."""

    name = "pods"

    def __init__(self, informer: Informer, nodes: Callable[[str], NodeView | None], *, workers: int) -> None:
        """`nodes` gives the node of this kubelet by that name; None for all others."""
        self._informer = informer
        self._node = nodes
        self._count = workers
        self._queue: WorkQueue[PodUid] = WorkQueue()
        self._workers: dict[PodUid, PodWorker] = {}
        self._by_node: dict[str, dict[PodUid, PodWorker]] = {}
        self._by_key: dict[Key, dict[PodUid, PodWorker]] = {}
        informer.add_index(BY_NODE, _node_of)
        self._host: Host | None = None

    def use(self, host: Host) -> None:
        """Call once, before anything else; the host's `wake` is ours."""
        self._host = host

    @property
    def host(self) -> Host:
        if self._host is None:
            raise RuntimeError("use() comes first")
        return self._host

    def __len__(self) -> int:
        return len(self._workers)

    def __iter__(self) -> Iterator[PodWorker]:
        return iter(list(self._workers.values()))

    def wake(self, uid: PodUid) -> None:
        self._queue.add(uid)

    def find(self, uid: PodUid) -> PodWorker | None:
        return self._workers.get(uid)

    # From the API

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {PODS: self._keys}

    def _keys(self, delta: Delta) -> Iterable[Key]:
        nodes = {pod["spec"].get("nodeName") for pod in (delta.old, delta.new) if pod is not None}
        if any(name and self._node(name) is not None for name in nodes):
            meta = delta.object["metadata"]
            yield Key(meta["namespace"], meta["name"])

    async def reconcile(self, key: Key) -> Outcome:
        pod = self._informer.get(key.namespace, key.name)
        if pod is not None and self._node(pod["spec"].get("nodeName") or "") is None:
            pod = None
        for worker in list(self._by_key.get(key, {}).values()):
            if pod is None or worker.uid != uid_of(pod):
                worker.gone()
                self.wake(worker.uid)
        if pod is not None:
            self._take(pod)
        return Done()

    def _take(self, pod: Obj) -> None:
        known = self._workers.get(uid_of(pod))
        if known is None:
            self._begin(pod)
        elif known.update(pod):
            self.wake(known.uid)

    def _begin(self, pod: Obj, *, local: Obj | None = None, known: bool = False) -> None:
        """`known`: it was accepted, or refused, by an earlier kubelet."""
        if not known:
            local = self._refused(pod)
        worker = PodWorker(pod, host=self.host, local=local)
        self._workers[worker.uid] = worker
        self._by_node.setdefault(pod["spec"]["nodeName"], {})[worker.uid] = worker
        self._by_key.setdefault(_key_of(pod), {})[worker.uid] = worker
        worker.keep()
        self.wake(worker.uid)

    def _drop(self, worker: PodWorker) -> None:
        pod = worker.pod
        del self._workers[worker.uid]
        _remove(self._by_node, pod["spec"]["nodeName"], worker.uid)
        _remove(self._by_key, _key_of(pod), worker.uid)

    def _refused(self, pod: Obj) -> Obj | None:
        """The status of a pod that may not run here; None: it may."""
        status = pod.get("status") or {}
        if status.get("startTime") or is_deleted(pod) or phase_of(pod) != "Pending":
            return None  # it was accepted before, or needs no room
        name = pod["spec"]["nodeName"]
        node = self._node(name)
        why = refusal(pod, node, self._beside(name)) if node is not None else None
        return self._refuse(pod, why) if why is not None else None

    def _beside(self, node: str) -> Iterator[Obj]:
        """Pods that take room on the node, also those that are about to be taken up again."""
        yield from (w.pod for w in self._by_node.get(node, {}).values() if not w.over)
        for pod in self._informer.by_index(BY_NODE, node):
            status = pod.get("status") or {}
            if uid_of(pod) not in self._workers and status.get("startTime") and phase_of(pod) not in TERMINAL_PHASES:
                yield pod

    def _refuse(self, pod: Obj, why: Refusal) -> Obj:
        log.info("pod refused", pod=full_name(pod), reason=why.reason, message=why.message)
        self.host.events.event(pod, "Warning", why.reason, why.message)
        return {
            **(pod.get("status") or {}),
            "phase": "Failed",
            "reason": why.reason,
            "message": f"Pod was rejected: {why.message}",
            "startTime": format_time(self.host.now()),
        }

    # From the disk

    def load(self) -> list[Obj]:
        """Take up the pods that were here before. Returns them as the API held them."""
        found = [k for k in self.host.store.load() if self._node(k.pod["spec"].get("nodeName") or "") is not None]
        for kept in found:
            if uid_of(kept.pod) not in self._workers:
                self._begin(kept.pod, local=kept.local, known=True)
        return [kept.pod for kept in found]

    async def compare(self) -> None:
        """The informer is complete: what it does not have goes, what it has is here."""
        heard = [_key_of(pod) for pod in self._informer.list() if self._node(pod["spec"].get("nodeName") or "")]
        for key in [*self._by_key, *heard]:
            await self.reconcile(key)

    async def sweep(self, alive: Collection[PodUid]) -> None:
        """What belongs to no pod goes: to none that is here, and none of `alive`, which the API server lists."""
        for sandbox in await self.host.runtime.list_pod_sandboxes():
            if sandbox.config.uid not in self._workers and sandbox.config.uid not in alive:
                log.warning("a sandbox without a pod is removed", pod=sandbox.config.name, uid=sandbox.config.uid)
                await self.host.runtime.remove_pod_sandbox(sandbox.id)
        for uid in self.host.store.known():
            if uid not in self._workers and uid not in alive:
                self.host.store.forget(uid)  # what a kubelet that was killed while it removed a pod left

    # Work

    async def run(self) -> None:
        """Look after the pods until cancelled; their containers run on then."""
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self._count):
                    group.create_task(self._work(), name=f"pod-worker-{number}")
        finally:
            self._queue.close()
            await asyncio.gather(*(worker.close() for worker in self), return_exceptions=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        yielded = loop.time()
        while True:
            uid = await self._queue.get()
            try:
                await self._look(uid)
            except Exception:  # a bug with one pod must not end the others; it is logged and tried again
                log.exception("pod cannot be looked after", uid=uid)
                self._queue.retry(uid)
            finally:
                self._queue.done(uid)
            if loop.time() - yielded > LONGEST_TURN_SECONDS:  # looks need not wait for anything, so many in a row
                await asyncio.sleep(0)  # would hold up all the rest
                yielded = loop.time()

    async def _look(self, uid: PodUid) -> None:
        worker = self._workers.get(uid)
        if worker is None:
            return
        if worker.forgotten:
            self._drop(worker)
            await worker.close()
            return
        again = await worker.look()
        self._queue.forget(uid)
        if again is not None:
            self._queue.add_after(uid, again)


def _key_of(pod: Obj) -> Key:
    return Key(pod["metadata"]["namespace"], pod["metadata"]["name"])


def _node_of(pod: Obj) -> Iterable[str]:
    name = pod["spec"].get("nodeName")
    return [name] if name else []


def _remove(index: dict[K, dict[PodUid, PodWorker]], at: K, uid: PodUid) -> None:
    held = index.get(at, {})
    held.pop(uid, None)
    if not held:
        index.pop(at, None)
