"""The scheduler around its decisions: hears changes, pops pods, decides, tells the API server.

Decisions are made one after another on one snapshot; what they cause (a binding, a condition) is sent side by side. A
pod stays *taken* until that is done, so nothing is said twice about a pod at once, and its change is acknowledged then.
Everything here is rebuilt at the start, from LISTs or from what the agent kept: a crash loses nothing but time.

Never: a pod bound twice (the API server refuses it); a node charged with more than it has, as far as was heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any

import structlog

from agents.client.cause import because, current
from agents.client.informer import Delta
from agents.client.outcome import Done, Outcome
from agents.client.resources import (
    NAMESPACES,
    NODES,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
    ResourceRef,
)
from agents.client.runtime import Key
from agents.scheduler.budgets import PDBS, Budget, read_budget
from agents.scheduler.commands import Commands, NotBound
from agents.scheduler.conditions import SCHEDULER_ERROR, UNSCHEDULABLE
from agents.scheduler.decide import Nominated, decide
from agents.scheduler.decision import Chosen, Refused
from agents.scheduler.framework import NOTHING, Trigger
from agents.scheduler.nodeinfo import read_node
from agents.scheduler.nominations import Nominations
from agents.scheduler.placements import Placements
from agents.scheduler.podinfo import PodInfo, PodKey, Reader, Unreadable, finished, gated, wanted
from agents.scheduler.preemption import NoPreemption, Preempt, Preemption, preempt
from agents.scheduler.queue import Place, PodQueue, Waiting
from agents.scheduler.refusals import Refusals
from agents.scheduler.snapshot import Snapshot
from apiserver.api.status import StatusError

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

YIELD_AFTER_SECONDS = 0.003
"""Of decisions in a row, before others get their turn."""


class Scheduler:
    """A `Controller` whose `run` does the work; `reconcile` only waits until a pod is dealt with."""

    name = "scheduler"

    def __init__(self, commands: Commands, queue: PodQueue, *, bindings: int, now: Callable[[], float]) -> None:
        self._commands = commands
        self._queue = queue
        self._now = now
        self._slots = asyncio.Semaphore(bindings)
        self._reader = Reader()
        self._placements = Placements(Snapshot())
        self._nominations = Nominations()
        self._refusals = Refusals(self._placements.snapshot)
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._wake = asyncio.Event()
        self._settled: dict[PodKey, asyncio.Event] = {}

    @property
    def watches(self) -> Mapping[ResourceRef, Callable[[Delta], Iterable[Key]]]:
        workloads = (SERVICES, REPLICATIONCONTROLLERS, REPLICASETS, STATEFULSETS)
        return {
            NODES: self._hear_node,
            NAMESPACES: self._hear_namespace,
            **dict.fromkeys(workloads, self._hear_workload),
            PDBS: self._hear_budget,
            PODS: self._hear_pod,
        }

    async def reconcile(self, key: Key) -> Outcome:
        place = PodKey(*key)
        while (held := self._queue.get(place)) is not None and held.place in (Place.ACTIVE, Place.TAKEN):
            await self._settled.setdefault(place, asyncio.Event()).wait()
        return Done()

    def _hear_node(self, delta: Delta) -> Iterable[Key]:
        if delta.new is None:
            self._happened(self._placements.remove_node(delta.object["metadata"]["name"]))
        else:
            self._happened(self._placements.set_node(read_node(delta.new)))
        return ()

    def _hear_namespace(self, delta: Delta) -> Iterable[Key]:
        labels = None if delta.new is None else delta.new["metadata"].get("labels") or {}
        if self._placements.snapshot.set_namespace(delta.object["metadata"]["name"], labels):
            self._happened(Trigger.NAMESPACE_CHANGED)
        return ()

    def _hear_workload(self, delta: Delta) -> Iterable[Key]:
        workloads, ref = self._placements.snapshot.workloads, delta.ref
        if delta.new is None:
            meta = delta.object["metadata"]
            workloads.remove(ref.api_version, ref.kind, meta.get("namespace", ""), meta["name"])
        else:
            workloads.set(ref.api_version, ref.kind, delta.new)
        return ()

    def _hear_budget(self, delta: Delta) -> Iterable[Key]:
        meta = delta.object["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        if delta.new is None:
            self._budgets.pop(key, None)
        else:
            self._budgets[key] = read_budget(delta.new)
        return ()

    def _hear_pod(self, delta: Delta) -> Iterable[Key]:
        meta = delta.object["metadata"]
        key = PodKey(meta.get("namespace", ""), meta["name"])
        pod = self._read(delta.new) if delta.new is not None and not finished(delta.new) else None
        if pod is None or delta.new is None:
            self._leave(key)
            self._happened(self._placements.gone(key))
            return ()
        self._happened(self._placements.hear(pod))
        if not wanted(delta.new) or self._placements.assumed(pod):
            self._leave(key)
            return ()
        self._queue.put(pod, self._now(), gated=gated(delta.new))
        held = self._queue.get(key)
        if held is not None and held.cause is None:
            held.cause = current()
        if held is not None and held.place is not Place.TAKEN:
            # What is being said about a taken pod is newer than what is heard of it.
            self._nominations.put(pod, pod.nominated)
        self._wake.set()
        return (Key(*key),)

    def _read(self, obj: Obj) -> PodInfo | None:
        try:
            return self._reader.read(obj)
        except Unreadable as err:
            log.error("pod cannot be read, it is left alone", why=str(err))
            return None

    def _leave(self, key: PodKey) -> None:
        """The pod does not wait for a node any more."""
        self._queue.remove(key)
        if self._nominations.drop(key):
            self._happened(Trigger.POD_REMOVED)
        self._settle(key)

    def _happened(self, trigger: Trigger) -> None:
        if trigger is not NOTHING:
            self._queue.happened(trigger, self._now())
            self._wake.set()

    def _settle(self, key: PodKey) -> None:
        event = self._settled.pop(key, None)
        if event is not None:
            event.set()

    async def run(self) -> None:
        """Place pods until cancelled."""
        turn_ends = self._now() + YIELD_AFTER_SECONDS
        async with asyncio.TaskGroup() as group:
            while True:
                await self._slots.acquire()
                held = await self._next()
                group.create_task(self._carry_out(held, self._decide(held)), name="scheduler-command")
                if self._now() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = self._now() + YIELD_AFTER_SECONDS

    async def _next(self) -> Waiting:
        while True:
            self._wake.clear()
            held = self._queue.pop(self._now())
            if held is not None:
                return held
            due = self._queue.due()
            try:
                async with asyncio.timeout(None if due is None else max(due - self._now(), 0.0)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _decide(self, held: Waiting) -> Callable[[], Coroutine[Any, Any, None]]:
        """Decide, count what was decided at once, and return what is to be told to the API server."""
        try:
            return self._decided(held)
        except Exception as err:  # a bug that one pod brings to light must not keep all others waiting
            log.exception("no decision", pod="/".join(held.pod.key))
            return partial(self._fail, held, f"{type(err).__name__}: {err}")

    def _decided(self, held: Waiting) -> Callable[[], Coroutine[Any, Any, None]]:
        pod, nominated = held.pod, self._nominations.all()
        known = self._refusals.find(pod) if not nominated else None
        if known is not None:
            return partial(self._refuse, held, *known)
        decision = decide(self._placements.snapshot, pod, nominated=nominated)
        if isinstance(decision, Chosen):
            self._placements.assume(pod, decision.node)
            self._nominations.drop(pod.key)
            return partial(self._bind, held, decision.node)
        return partial(self._refuse, held, decision, self._room(pod, decision, nominated))

    def _room(self, pod: PodInfo, refused: Refused, nominated: Nominated) -> Preemption | None:
        """Who could go; without nodes there is nobody to ask."""
        if not refused.nodes:
            return None
        room = preempt(self._placements.snapshot, pod, refused, list(self._budgets.values()), nominated=nominated)
        if isinstance(room, Preempt):
            self._nominations.put(pod, room.node)
            return room
        if room.withdraw:
            self._nominations.drop(pod.key)
        if not nominated:
            self._refusals.keep(pod, refused, room)
        return room

    async def _carry_out(self, held: Waiting, command: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            with because(held.cause):
                await command()
        finally:
            self._settle(held.pod.key)
            self._slots.release()
            self._wake.set()

    async def _bind(self, held: Waiting, node: str) -> None:
        pod = held.pod
        try:
            await self._commands.bind(pod, node)
        except NotBound as err:
            log.info("pod not bound", pod="/".join(pod.key), node=node, why=str(err))
            self._happened(self._placements.forget(pod))
            if not err.expected:
                await self._commands.explain(pod, SCHEDULER_ERROR, f"binding rejected: {err}")
            self._queue.retry(held, self._now())
        else:
            self._queue.done(held)

    async def _fail(self, held: Waiting, message: str) -> None:
        await self._commands.explain(held.pod, SCHEDULER_ERROR, message)
        self._queue.retry(held, self._now())

    async def _refuse(self, held: Waiting, refused: Refused, room: Preemption | None) -> None:
        """Say why, make room if that was found to help, and wait for what may help."""
        message, nominated = refused.message, None
        match room:
            case Preempt(node):
                nominated = node
            case NoPreemption(why, withdraw):
                message = f"{message} preemption: {why}"
                nominated = "" if withdraw else None
        await self._commands.explain(held.pod, UNSCHEDULABLE, message, nominated=nominated)
        if isinstance(room, Preempt) and not await self._make_room(held.pod, room):
            self._queue.retry(held, self._now())
        else:
            self._queue.park(held, self._now(), refused.helped_by)

    async def _make_room(self, pod: PodInfo, room: Preempt) -> bool:
        """Remove the victims. Less important pods that were promised this node look for another one."""
        for other in self._nominations.on(room.node):
            if other.priority < pod.priority:
                self._nominations.drop(other.key)
                await self._commands.withdraw_promise(other)
        evictions = (self._commands.evict(victim, pod, room.node) for victim in room.victims)
        results = await asyncio.gather(*evictions, return_exceptions=True)
        failed = [r for r in results if isinstance(r, BaseException)]
        for error in failed:
            if not isinstance(error, StatusError):
                raise error
            log.warning("victim not removed", pod="/".join(pod.key), node=room.node, why=error.message)
        return not failed
