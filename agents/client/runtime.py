"""Changes in, reconciled keys out: the one runtime of every agent.

Delivery contract of a controller
  1. MUST bear repeats: after a crash, every change whose work was not finished comes again.
  2. Sees each key one at a time; different keys run side by side, up to `workers`.
  3. Gets a key, never a change: it reads the informers, which are at least as new as the change was.
  4. A change is acknowledged once every key that it made dirty was reconciled after its arrival (`Watermark`).
     A key that keeps failing holds its changes back for `HELD_TRIES` tries; then they are acknowledged and the key is
     tried on from memory, so that one poisoned object does not hold the cursor for ever. A crash then forgets that
     key until the background check comes to it.

Start: find the cursor → LIST each resource at its resourceVersion → follow the changes behind the cursor. With a cursor
of before, what was not finished comes first, and everything else is checked slowly in the background. Without one (new,
or passed by retention), everything is dirty at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import structlog

from agents.client.informer import Delta, Informer
from agents.client.outcome import Done, Failed, GiveUp, Outcome, Result, RetryAfter, of_error
from agents.client.queue import WorkQueue
from agents.client.resources import ResourceRef
from agents.client.rest import RestClient
from apiserver.api.status import StatusError
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.errors import BusError
from broker.subscriber import CursorLost, Subscriber
from broker.watermark import Watermark

log = structlog.get_logger(__name__)

HELD_TRIES = 15
ACK_EVERY_SECONDS = 0.005
BACKGROUND_KEYS_PER_SECOND = 50.0
RESTART_SECONDS = 0.5
MANY_FILTERS = 16

__all__ = ["Agent", "Controller", "Delta", "Key"]


class Key(NamedTuple):
    """What a controller reconciles. Cluster-scoped objects have no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Controller(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> Mapping[ResourceRef, Callable[[Delta], Iterable[Key]]]:
        """Which keys a change of a resource makes dirty. Pure but for the controller's own indexes; never slow."""
        ...

    async def reconcile(self, key: Key) -> Outcome: ...


Work = tuple[int, Key]
"""A controller's number and a key of it."""


@dataclass(frozen=True, slots=True)
class _Watched:
    informer: Informer
    subject_filter: str
    field_selector: str


class Agent:
    """Declare informers and controllers, then `run`. `rest` and `connection` are the caller's to open and close."""

    def __init__(self, *, name: str, rest: RestClient, connection: Connection, workers: int = 8) -> None:
        self.name = name
        self.rest = rest
        self._connection = connection
        self._workers = workers
        self._watched: dict[tuple[str, str], _Watched] = {}
        self._controllers: list[Controller] = []
        self._queue: WorkQueue[Work] = WorkQueue()
        self._mark = Watermark()
        self._held: dict[Work, list[int]] = {}
        self._open: dict[int, int] = {}
        self._ack_due = asyncio.Event()
        self._routes: dict[ResourceRef, list[tuple[int, Callable[[Delta], Iterable[Key]]]]] = {}
        self._subscriber: Subscriber | None = None
        self.ready = False
        self.reason = "starting"

    def informer(self, ref: ResourceRef, *, field_selector: str = "", subject_filter: str = "") -> Informer:
        """The local copy of a resource; the same one for everybody who asks. Selectors are the first asker's."""
        place = (ref.group, ref.resource)
        found = self._watched.get(place)
        if found is None:
            chosen = subject_filter or subjects.filter_for(group=ref.group, resource=ref.resource)
            found = self._watched[place] = _Watched(Informer(ref), chosen, field_selector)
        return found.informer

    def add_controller(self, controller: Controller) -> None:
        number = len(self._controllers)
        self._controllers.append(controller)
        for ref, function in controller.watches.items():
            self.informer(ref)
            self._routes.setdefault(ref, []).append((number, function))

    @property
    def idle(self) -> bool:
        """Everything that was heard is done."""
        return self._queue.idle and self._mark.pending == 0

    @property
    def cursor(self) -> int:
        return self._mark.floor

    async def run(self) -> None:
        """Work until cancelled. Outages are waited out."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._acknowledge(), name=f"{self.name}-acknowledge")
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"{self.name}-worker-{number}")
                group.create_task(self._listen(), name=f"{self.name}-listen")
        finally:
            self._queue.close()

    async def _listen(self) -> None:
        fresh = False
        while True:
            try:
                await self._follow(start_fresh=fresh)
            except CursorLost:
                log.warning("the cursor is lost, everything is looked at again", agent=self.name)
                fresh = True
            except (BusError, StatusError) as err:
                self.reason = str(err)
                log.info("agent waits", agent=self.name, reason=str(err))
                await asyncio.sleep(RESTART_SECONDS)

    def _filters(self) -> list[str]:
        filters = [w.subject_filter for w in self._watched.values()]
        return filters if len(filters) <= MANY_FILTERS else [subjects.ALL]

    async def _follow(self, *, start_fresh: bool) -> None:
        await self._connection.wait_connected()
        subscriber = Subscriber(self._connection, name=self.name, filters=self._filters())
        state = await subscriber.ensure()
        initial, snapshot_rv = await self._snapshot()
        fresh = start_fresh or state.created or state.lost
        if fresh:
            await subscriber.begin(snapshot_rv)
        cursor = snapshot_rv if fresh else state.cursor
        if cursor > self._mark.highest:
            self._mark = Watermark(cursor)
            self._held.clear()
            self._open.clear()
        self._subscriber = subscriber
        log.info("agent follows", agent=self.name, cursor=cursor, snapshot=snapshot_rv, fresh=fresh)
        self.ready, self.reason = True, ""
        background = asyncio.create_task(self._enqueue(initial, fresh=fresh), name=f"{self.name}-background")
        try:
            async with contextlib.aclosing(subscriber.changes()) as changes:
                async for change in changes:
                    self._hear(change)
        finally:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)

    async def _snapshot(self) -> tuple[list[Work], int]:
        """LIST every resource. Returns the keys of everything, and the lowest resourceVersion of the lists."""
        watched = list(self._watched.values())
        lists = await asyncio.gather(
            *(self.rest.list(w.informer.ref, field_selector=w.field_selector) for w in watched)
        )
        works: dict[Work, None] = {}
        deltas = [
            d
            for w, found in zip(watched, lists, strict=True)
            for d in w.informer.replace(found.items, int(found.resource_version))
        ]
        for delta in deltas:
            works.update(dict.fromkeys(self._works(delta)))
        return list(works), min((int(found.resource_version) for found in lists), default=0)

    async def _enqueue(self, works: list[Work], *, fresh: bool) -> None:
        for work in works:
            if not fresh:
                await asyncio.sleep(1 / BACKGROUND_KEYS_PER_SECOND)
                while len(self._queue) > self._workers:
                    await asyncio.sleep(0.1)
            self._queue.add(work)

    def _works(self, delta: Delta) -> list[Work]:
        return [(number, key) for number, function in self._routes.get(delta.ref, ()) for key in function(delta)]

    def _hear(self, change: Change) -> None:
        """Learn a change and make its keys dirty."""
        if not self._mark.begin(change.rv):
            self._ack_due.set()
            return
        place = subjects.parse(change.subject)
        watched = self._watched.get((place.group, place.resource))
        works: list[Work] = []
        if watched is not None:
            works = list(dict.fromkeys(self._works(watched.informer.apply(change.type, change.object()))))
        self._open[change.rv] = len(works)
        for work in works:
            self._held.setdefault(work, []).append(change.rv)
            self._queue.add(work)
        if not works:
            self._finish(change.rv)

    def _finish(self, rv: int) -> None:
        self._open.pop(rv, None)
        if self._mark.done(rv):
            self._ack_due.set()

    def _release(self, held: Iterable[int]) -> None:
        for rv in held:
            left = self._open.get(rv, 0) - 1
            if left > 0:
                self._open[rv] = left
            else:
                self._finish(rv)

    async def _acknowledge(self) -> None:
        """One acknowledgement for all that was finished within a few milliseconds."""
        while True:
            await self._ack_due.wait()
            self._ack_due.clear()
            if self._subscriber is not None:
                await self._subscriber.acknowledge(self._mark.floor)
            await asyncio.sleep(ACK_EVERY_SECONDS)

    async def _work(self) -> None:
        while True:
            work = await self._queue.get()
            held = self._held.pop(work, [])
            result: Result = Failed("cancelled")
            try:
                result = await self._reconcile(work)
            finally:
                self._settle(work, held, result)
                self._queue.done(work)

    async def _reconcile(self, work: Work) -> Result:
        number, key = work
        try:
            return await self._controllers[number].reconcile(key)
        except StatusError as err:
            return of_error(err)
        except Exception as err:  # a bug in one key's handling must not end the agent; it is logged and tried again
            log.exception("reconcile failed", agent=self.name, controller=self._controllers[number].name, key=str(key))
            return of_error(err)

    def _settle(self, work: Work, held: list[int], result: Result) -> None:
        number, key = work
        fields: dict[str, Any] = {"controller": self._controllers[number].name, "key": str(key)}
        match result:
            case Done():
                self._queue.forget(work)
                self._release(held)
            case RetryAfter(seconds, why):
                self._queue.forget(work)
                self._release(held)
                self._queue.add_after(work, seconds)
                log.debug("looked at again later", seconds=seconds, why=why, **fields)
            case GiveUp(why):
                self._queue.forget(work)
                self._release(held)
                log.warning("given up until the object changes", why=why, **fields)
            case Failed(why):
                failures = self._queue.retry(work)
                if failures >= HELD_TRIES:
                    self._release(held)
                else:
                    self._held.setdefault(work, [])[:0] = held
                if failures in (3, HELD_TRIES):
                    log.warning("keeps failing", why=why, failures=failures, **fields)
