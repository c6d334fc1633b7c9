"""Changes in, reconciled keys out: the one runtime of every agent.

Delivery contract of a controller
  1. MUST bear repeats: after a crash, every change whose work was not finished comes again.
  2. Sees each key one at a time; different keys run side by side, up to `workers`.
  3. Gets a key, never a change: it reads the informers, which are at least as new as the change was.
  4. A change is acknowledged once every key that it made dirty was reconciled after its arrival (`Ledger`).
     A key that keeps failing holds its changes back for `HELD_TRIES` tries; then they are acknowledged and the key is
     tried on from memory, so that one poisoned object does not hold the cursor for ever. A crash then forgets that
     key until the background check comes to it. A try that the API server did not answer does not count.

Start: find the cursor → know the objects → follow the changes behind the cursor. With a cursor of before, what was not
finished comes first, and everything else is checked slowly in the background. Without one (new, passed by retention, or
put there by a start that did not finish), everything is dirty at once, and nothing is acknowledged before that is done.

The objects are known by a LIST of each resource, or, with a `state_file`, by what an earlier life kept (`memory`): then
the start costs what was missed, however much there is. Informers answer from the file what is not in memory yet, and so
are complete from the first key on. What has an index of its own is told of all objects in the background and asks
`recall` until then, or has `whole_view` set and is told of all of them before the first change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from agents.client.cause import Cause, because
from agents.client.controller import Controller, Key, Route, Work, in_turn
from agents.client.informer import Delta, Informer
from agents.client.kept import KeptLost, KeptState
from agents.client.ledger import Ledger, Ticket
from agents.client.memory import Memory
from agents.client.outcome import Done, Failed, GiveUp, Result, RetryAfter, of_error
from agents.client.rejoin import Tail, rejoin
from agents.client.resources import ResourceRef
from agents.client.rest import ApiUnavailable, RestClient
from agents.client.watching import Watching
from apiserver.api.status import StatusError
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.errors import BusError
from broker.selection import Selection, consumer_name
from broker.subscriber import CursorLost, Subscriber
from broker.workqueue import WorkQueue

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

HELD_TRIES = 15
ACK_EVERY_SECONDS = 0.005
BACKGROUND_KEYS_PER_SECOND = 100.0
PAGE_SECONDS = 0.1
"""Between two pages of what was kept: they are read beside the work that waits."""
RESTART_SECONDS = 0.2
LONGEST_RESTART_SECONDS = 5.0

__all__ = ["Agent", "Controller", "Delta", "Key"]


class Agent:
    """Declare informers and controllers, then `run`. `rest` and `connection` are the caller's to open and close."""

    def __init__(
        self,
        *,
        name: str,
        rest: RestClient,
        connection: Connection,
        workers: int = 8,
        state_file: Path | None = None,
        whole_view: bool = False,
    ) -> None:
        self.name = name
        self.rest = rest
        self.reason = "starting"
        self._connection = connection
        self._workers = workers
        self._watching = Watching()
        self._memory = Memory(state_file, self._watching)
        self._whole_view = whole_view
        self._controllers: list[Controller] = []
        self._routes: dict[ResourceRef, list[Route]] = {}
        self._queue: WorkQueue[Work] = WorkQueue()
        self._ledger: Ledger[Work] = Ledger()
        self._tries: dict[Work, int] = {}
        self._ack_due = asyncio.Event()
        self._subscriber: Subscriber | None = None
        self._following = False
        self._restored = False
        self._learned = 0

    def informer(self, ref: ResourceRef, *, name: str = "", node: str = "", metadata_only: bool = False) -> Informer:
        """The local copy of a resource, or of the object called `name`, or of the pods bound to `node`; the same one
        for everybody who asks, and narrowed as the first asker says. Only the metadata is kept where nobody asks for
        more. All askers ask before `run`."""
        return self._watching.informer(ref, name=name, node=node, metadata_only=metadata_only)

    def add_controller(self, controller: Controller) -> None:
        number = len(self._controllers)
        self._controllers.append(controller)
        for ref, function in controller.watches.items():
            if self._watching.find(ref.group, ref.resource) is None:
                self.informer(ref)
            self._routes.setdefault(ref, []).append((number, function))

    def index(self, name: str, function: Callable[[Obj], Iterable[str]]) -> None:
        """What `recall` finds objects of all resources by. Before `run`."""
        self._memory.index(name, function)

    def recall(self, index: str, value: str) -> Iterator[tuple[ResourceRef, Obj]] | None:
        """What an earlier life knew. It may have been told as a delta already, or be out of date where a later delta
        was told. None once all of it has been told: there is no need to ask any more."""
        return self._memory.find(index, value) if self._memory.recalling else None

    def restore(self, ref: ResourceRef, objects: Iterable[Obj]) -> None:
        """What an earlier life of this process knew when it acknowledged last. With it, changes are followed also while
        no API server is there to be asked for the present state. Before `run`."""
        self.informer(ref).replace(objects, 0)
        self._restored = True

    @property
    def ready(self) -> bool:
        """It hears changes."""
        return self._following and self._connection.connected

    @property
    def idle(self) -> bool:
        """Everything that was heard is done."""
        return self._queue.idle and self._ledger.pending == 0

    @property
    def cursor(self) -> int:
        return self._ledger.floor

    async def run(self) -> None:
        """Work until cancelled. Outages are waited out. Raises KeptLost, in a group."""
        self._memory.open()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._memory.run(), name=f"{self.name}-memory")
                group.create_task(self._acknowledge(), name=f"{self.name}-acknowledge")
                for number in range(self._workers):
                    group.create_task(self._work(), name=f"{self.name}-worker-{number}")
                group.create_task(self._listen(), name=f"{self.name}-listen")
        finally:
            self._queue.close()

    async def _listen(self) -> None:
        fresh, pause = False, RESTART_SECONDS
        while True:
            try:
                await self._follow(start_fresh=fresh)
            except CursorLost:
                log.warning("the cursor is lost, everything is looked at again", agent=self.name)
                self.reason, fresh = "the cursor was lost", True
            except (BusError, StatusError) as err:
                log.info("agent waits", agent=self.name, reason=str(err))
                self.reason, fresh = str(err), fresh and not self._following
            pause = RESTART_SECONDS if self._following else min(pause * 2, LONGEST_RESTART_SECONDS)
            self._following = False
            await asyncio.sleep(pause)

    def selection(self) -> Selection:
        """What its informers listen to. Complete once all askers have asked."""
        return self._watching.selection()

    async def _follow(self, *, start_fresh: bool) -> None:
        await self._connection.wait_connected()
        subscriber = Subscriber(self._connection, name=consumer_name(self.name), filters=self.selection().filters())
        found = await subscriber.ensure()
        fresh = start_fresh or found.created or found.lost or found.untouched
        kept = self._memory.state()
        if kept is not None and not fresh:
            tail = await rejoin(subscriber, kept, found.cursor)
            if tail is not None:
                await self._follow_from(subscriber, kept, tail, found.cursor)
                return
        try:
            initial, snapshot_rv = await self._snapshot()
        except ApiUnavailable:
            if not self._restored or fresh:
                raise
            await self._follow_blind(subscriber, found.cursor)
            return
        if fresh:
            await subscriber.begin(snapshot_rv)
            self._ledger = Ledger(snapshot_rv - 1)
            self._ledger.begin(snapshot_rv, initial)
        elif found.cursor > self._ledger.highest:
            self._ledger = Ledger(found.cursor)
        self._subscriber = subscriber
        log.info("agent follows", agent=self.name, cursor=self._ledger.floor, snapshot=snapshot_rv, fresh=fresh)
        background = asyncio.create_task(self._enqueue(initial, fresh=fresh), name=f"{self.name}-background")
        try:
            if fresh:
                await self._await_stream(subscriber, snapshot_rv)
            self._following, self.reason = True, ""
            await self._hear_all(subscriber)
        finally:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)

    async def _follow_from(self, subscriber: Subscriber, kept: KeptState, tail: Tail, cursor: int) -> None:
        """Go on behind what was kept. What lies between it and the cursor was done, and is only learned."""
        if cursor > self._ledger.highest:
            self._ledger = Ledger(cursor)
        self._memory.begin(kept)
        self._subscriber, self._learned = subscriber, kept.rv
        log.info("agent follows", agent=self.name, cursor=self._ledger.floor, kept=kept.rv, fresh=False)
        works: list[Work] = []
        if self._whole_view:
            works = await self._told_the_rest()
        for change in tail.heard:
            self._hear(change)
        background = asyncio.create_task(self._look_at_the_rest(works), name=f"{self.name}-background")
        try:
            self._following, self.reason = True, ""
            async with contextlib.aclosing(tail.changes):
                async for change in tail.changes:
                    self._hear(change)
        finally:
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)

    async def _look_at_the_rest(self, works: Sequence[Work]) -> None:
        await self._enqueue(works or await self._told_the_rest(), fresh=False)

    async def _told_the_rest(self) -> list[Work]:
        """The keys of everything that was kept. Where a whole view is needed nobody acts meanwhile, and nobody waits
        for it longer than reading takes."""
        works: dict[Work, None] = {}
        async for deltas in self._memory.rest():
            for delta in deltas:
                works.update(dict.fromkeys(self._works(delta)))
            await asyncio.sleep(0 if self._whole_view else PAGE_SECONDS)
        return list(works)

    async def _follow_blind(self, subscriber: Subscriber, cursor: int) -> None:
        """Nobody can be asked for a snapshot, but what was known at the cursor is known still, and the broker has what
        came since. Ends with CursorLost, or when a snapshot can be had."""
        log.info("agent follows without a snapshot", agent=self.name, cursor=cursor)
        if cursor > self._ledger.highest:
            self._ledger = Ledger(cursor)
        self._subscriber = subscriber
        self._following, self.reason = True, "the API server is away"
        hearing = asyncio.create_task(self._hear_all(subscriber), name=f"{self.name}-hear")
        asking = asyncio.create_task(self._until_asked(), name=f"{self.name}-ask")
        try:
            await asyncio.wait({hearing, asking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (hearing, asking):
                task.cancel()
            results = await asyncio.gather(hearing, asking, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _until_asked(self) -> None:
        """Return once the API server answers."""
        while True:
            try:
                await self._snapshot()
            except StatusError as err:
                log.debug("the API server is still away", agent=self.name, reason=str(err))
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return

    async def _hear_all(self, subscriber: Subscriber) -> None:
        async with contextlib.aclosing(subscriber.changes()) as changes:
            async for change in changes:
                self._hear(change)

    async def _await_stream(self, subscriber: Subscriber, rv: int) -> None:
        """The record may be ahead of the stream: the relay is still at it. A cursor there would pass for lost."""
        while (stream := await subscriber.stream_state()) is None or stream.last < rv:
            self.reason = "the stream is behind the record"
            await asyncio.sleep(RESTART_SECONDS)

    async def _snapshot(self) -> tuple[list[Work], int]:
        """The keys of everything, and the lowest resourceVersion at which it was so."""
        deltas, rv = await self._watching.snapshot(self.rest)
        works: dict[Work, None] = {}
        for delta in deltas:
            works.update(dict.fromkeys(self._works(delta)))
        self._memory.replace(rv)
        return list(works), rv

    async def _enqueue(self, works: Sequence[Work], *, fresh: bool) -> None:
        for work in in_turn(works):
            if not fresh:
                await asyncio.sleep(1 / BACKGROUND_KEYS_PER_SECOND)
                while len(self._queue) > self._workers:
                    await asyncio.sleep(0.1)
            self._queue.add(work)

    def _works(self, delta: Delta) -> list[Work]:
        works: list[Work] = []
        for number, function in self._routes.get(delta.ref, ()):
            try:
                works += [(number, key) for key in function(delta)]
            except KeptLost:
                raise
            except Exception:  # a bug about one object must not end the agent: it would meet the same change again
                log.exception(
                    "cannot tell which keys an object concerns",
                    agent=self.name,
                    controller=self._controllers[number].name,
                    resource=delta.ref.resource,
                    name=delta.object["metadata"].get("name"),
                )
        return works

    def _hear(self, change: Change) -> None:
        """Learn a change and make its keys dirty."""
        if change.rv > self._ledger.highest:
            cause = Cause.now(change.rv)
            with because(cause):
                works = self._learn(change)
            self._ledger.begin(change.rv, works, cause)
            for work in works:
                self._queue.add(work)
        elif change.rv > self._learned:
            self._learn(change)  # an earlier life has done it, and could not keep it any more
        self._ack_due.set()

    def _learn(self, change: Change) -> list[Work]:
        self._learned = max(self._learned, change.rv)
        try:
            place = subjects.parse(change.subject)
            informer = self._watching.find(place.group, place.resource)
            obj = change.object() if informer is not None else None
            works = self._works(informer.apply(change.type, obj)) if informer is not None and obj is not None else []
        except (ValueError, KeyError):
            log.exception("a message of the stream is not a change", agent=self.name, subject=change.subject)
            return []
        self._memory.hear(change, informer, obj)
        return works

    async def _acknowledge(self) -> None:
        """One acknowledgement for all that was finished within a few milliseconds."""
        while True:
            await self._ack_due.wait()
            self._ack_due.clear()
            if self._subscriber is not None:
                await self._subscriber.acknowledge(self._ledger.floor)
            await asyncio.sleep(ACK_EVERY_SECONDS)

    async def _work(self) -> None:
        while True:
            work = await self._queue.get()
            tickets = self._ledger.take(work)
            result: Result = Failed("cancelled", outage=True)
            try:
                with because(next((ticket.cause for ticket in tickets if ticket.cause), None)):
                    result = await self._reconcile(work)
            finally:
                self._settle(work, tickets, result)
                self._queue.done(work)

    async def _reconcile(self, work: Work) -> Result:
        number, key = work
        try:
            return await self._controllers[number].reconcile(key)
        except StatusError as err:
            return of_error(err)
        except KeptLost:
            raise
        except Exception as err:  # a bug in one key's handling must not end the agent; it is logged and tried again
            log.exception("reconcile failed", agent=self.name, controller=self._controllers[number].name, key=str(key))
            return of_error(err)

    def _settle(self, work: Work, tickets: Sequence[Ticket], result: Result) -> None:
        number, key = work
        fields: dict[str, Any] = {"controller": self._controllers[number].name, "key": str(key)}
        match result:
            case Done():
                self._finish(work, tickets)
            case RetryAfter(seconds, why):
                self._finish(work, tickets)
                self._queue.add_after(work, seconds)
                log.debug("looked at again later", seconds=seconds, why=why, **fields)
            case GiveUp(why):
                self._finish(work, tickets)
                log.warning("given up until the object changes", why=why, **fields)
            case Failed(why, outage):
                self._retry(work, tickets, why, fields, outage=outage)

    def _finish(self, work: Work, tickets: Sequence[Ticket]) -> None:
        self._queue.forget(work)
        self._tries.pop(work, None)
        self._release(tickets)

    def _release(self, tickets: Sequence[Ticket]) -> None:
        for ticket in tickets:
            ticket.settle()
        self._ack_due.set()

    def _retry(
        self, work: Work, tickets: Sequence[Ticket], why: str, fields: Mapping[str, Any], *, outage: bool
    ) -> None:
        self._queue.retry(work)
        tries = self._tries[work] = self._tries.get(work, 0) + (not outage)
        if tries >= HELD_TRIES:
            self._release(tickets)
        else:
            self._ledger.hold(work, tickets)
        if not outage and tries in (3, HELD_TRIES):
            log.warning("keeps failing", why=why, failures=tries, **fields)
