"""Consumers follow their Subscriptions: made where they begin, moved to a new selection, removed with them.

One API server keeps them at a time, the one whose relay publishes; a second one at once does no harm, since every step
may be repeated. What is looked at: a Subscription when it changed, and all of them when this server takes over, when
the connection was renewed, and every `ROUND_SECONDS`: consumers go away with a broker's disk, and retention moves on.
One that cannot be settled now holds up no other, and is looked at again soon.

A consumer that is gone is made again at its checkpoint, so changes since then come twice, and none is left out.
Checkpoints are rare (`CHECKPOINT_SECONDS`, or when the last one is about to leave the stream): they are writes, and so
are changes that others hear.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from apiserver.admission import Chain
from apiserver.api.kinds.subscription import FINALIZER
from apiserver.api.status import Conflict, NotFound, StatusError
from apiserver.cache import Cache
from apiserver.cache.cache import Applied
from apiserver.rest import update
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.records import Current, Records
from apiserver.rest.system import system_call
from apiserver.subscriptions import spec
from apiserver.subscriptions.progress import Care, care_for, edge_of, is_told, is_worth_a_write, progress_of, status_of
from apiserver.subscriptions.spec import SUBSCRIPTIONS, Wanted
from broker import consumer
from broker.connection import Connection
from broker.consumer import ConsumerState
from broker.errors import BusError, BusUnavailable, ConsumerMissing, StreamMissing
from broker.stream import StreamState, state

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

ROUND_SECONDS = 10.0
CHECKPOINT_SECONDS = 300.0
RETRY_SECONDS = 0.5


class Keeper:
    """See the module's docstring. Implements the cache's `Listener`."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        records: Records,
        endpoints: Endpoints,
        admission: Chain,
        *,
        leading: Callable[[], bool],
        sightings: dict[str, datetime],
    ) -> None:
        """`sightings`: when each consumer was last seen to be waited on; written here, read by whoever tells it."""
        self._connection = connection
        self._cache = cache
        self._records = records
        self._endpoints = endpoints
        self._admission = admission
        self._leading = leading
        self._sightings = sightings
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()
        self._known: dict[str, tuple[str, ...]] = {}
        """The filters of consumers that are known to be there."""
        self._noted_at: dict[str, float] = {}

    def applied(self, changes: Sequence[Applied]) -> None:
        for one in changes:
            if one.table.resource == SUBSCRIPTIONS:
                self._dirty.add(one.change.now.key.partition("/")[2])
                self._wake.set()

    def reloading(self) -> None:
        self._known.clear()

    async def run(self) -> None:
        """Keep until cancelled."""
        self._cache.listen(self)
        await self._cache.wait_ready()
        while True:
            if self._may_work():
                await self._in_peace(self._round())
            await self._until_next_round()

    def _may_work(self) -> bool:
        return self._leading() and self._connection.connected

    async def _until_next_round(self) -> None:
        """Meanwhile look at what changed, and again at what could not be settled."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ROUND_SECONDS
        generation, led = self._connection.generation, self._leading()
        while loop.time() < end and (generation, led) == (self._connection.generation, self._leading()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(RETRY_SECONDS, max(0.0, end - loop.time()))):
                    await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, set()
            if self._may_work():
                for name in dirty:
                    await self._in_peace(self._look_at(name), again=name)

    async def _in_peace(self, work: Awaitable[None], *, again: str = "") -> None:
        """Whatever is away now is looked at again."""
        try:
            await work
        except (BusError, StatusError) as err:
            log.info("subscriptions wait", subscription=again, reason=str(err))
            if again:
                self._dirty.add(again)

    async def _round(self) -> None:
        """Everything: all consumers are read, in pages, and held against all Subscriptions."""
        self._known.clear()
        stream = await state(self._connection)
        present = {one.name: one async for one in consumer.every(self._connection)}
        self._known = {name: one.filters for name, one in present.items()}
        for cached in self._cache.list(SUBSCRIPTIONS).items:
            obj: Obj = orjson.loads(cached.json)
            wanted = spec.read(obj)
            await self._in_peace(self._settle(obj, wanted, present.get(wanted.consumer), stream), again=wanted.name)

    async def _look_at(self, name: str) -> None:
        cached = self._cache.get(SUBSCRIPTIONS, "", name)
        if cached is None:
            return
        obj: Obj = orjson.loads(cached.json)
        wanted = spec.read(obj)
        selects_as_wanted = sorted(self._known.get(wanted.consumer, ())) == list(wanted.selection.filters())
        if selects_as_wanted and not wanted.deleted and is_told(obj):
            return  # its own checkpoint, or something that does not concern the consumer
        try:
            found: ConsumerState | None = await consumer.find(self._connection, wanted.consumer)
        except ConsumerMissing:
            found = None
        await self._settle(obj, wanted, found, await state(self._connection))

    async def _settle(self, obj: Obj, wanted: Wanted, found: ConsumerState | None, stream: StreamState) -> None:
        if wanted.deleted:
            await self._release(wanted)
            return
        if found is not None and found.owner not in ("", wanted.uid):
            await self._remove(wanted)  # of another Subscription that had this name
            found = None
        if found is None:
            found = await self._make(wanted, stream)
        elif sorted(found.filters) != list(wanted.selection.filters()):
            found = await self._select(wanted, found, stream)
        else:
            found = await self._care(wanted, found, stream)
        self._known[wanted.consumer] = found.filters
        await self._note(obj, wanted, found, stream)

    async def _make(self, wanted: Wanted, stream: StreamState) -> ConsumerState:
        """At the checkpoint. Where the stream no longer reaches back so far, the number stays and tells what is
        missing. It begins where the Subscription began, so that one can tell whether it was moved since."""
        if stream.last < wanted.resume_after:
            raise BusUnavailable(f"the stream is being refilled: it ends at {stream.last}")
        filters = wanted.selection.filters()
        made = await consumer.create(
            self._connection, wanted.consumer, filters=filters, after=wanted.start, owner=wanted.uid
        )
        if made.acknowledged < wanted.resume_after:
            made = await consumer.move(self._connection, wanted.consumer, after=wanted.resume_after)
        log.info("consumer made", subscription=wanted.name, after=wanted.resume_after)
        return made

    async def _select(self, wanted: Wanted, found: ConsumerState, stream: StreamState) -> ConsumerState:
        """The cursor stays where it is told to be: what was not selected before it does not come."""
        told = progress_of(wanted, found, stream, datetime.now(UTC)).acknowledged
        if found.acknowledged < told and not found.unacknowledged:
            found = await consumer.move(self._connection, wanted.consumer, after=told)
        log.info("consumer selects anew", subscription=wanted.name, after=found.acknowledged)
        return await consumer.select(self._connection, found, filters=wanted.selection.filters())

    async def _care(self, wanted: Wanted, found: ConsumerState, stream: StreamState) -> ConsumerState:
        match care_for(wanted, found, stream, datetime.now(UTC)):
            case Care.MOVE:
                return await consumer.move(self._connection, wanted.consumer, after=wanted.checkpoint)
            case Care.RELEASE:
                log.info("deliveries are taken back", subscription=wanted.name, deliveries=found.unacknowledged)
                return await consumer.release(self._connection, wanted.consumer)
            case Care.NOTHING:
                return found

    async def _note(self, obj: Obj, wanted: Wanted, found: ConsumerState, stream: StreamState) -> None:
        now = datetime.now(UTC)
        if found.waiting:
            self._sightings[wanted.consumer] = now
        progress = progress_of(wanted, found, stream, now, sighted=self._sightings.get(wanted.consumer))
        new = {**status_of(obj, progress, now), "consumer": wanted.consumer}
        old = obj.get("status") or {}
        moment = asyncio.get_running_loop().time()
        due = moment - self._noted_at.get(wanted.name, float("-inf")) > CHECKPOINT_SECONDS
        due = due or max(wanted.checkpoint, found.acknowledged) < edge_of(stream)
        moved = progress.acknowledged != old.get("acknowledged")
        if is_worth_a_write(old, new) or (due and moved):
            self._noted_at[wanted.name] = moment
            await self._write(wanted, lambda current: {**current.parse(), "status": new}, update.STATUS)

    async def _release(self, wanted: Wanted) -> None:
        await self._remove(wanted)
        self._known.pop(wanted.consumer, None)
        self._sightings.pop(wanted.consumer, None)
        self._noted_at.pop(wanted.name, None)
        await self._write(wanted, _without_finalizer, update.MAIN)

    async def _remove(self, wanted: Wanted) -> None:
        try:
            await consumer.remove(self._connection, wanted.consumer)
        except (ConsumerMissing, StreamMissing):
            log.debug("the consumer was gone already", subscription=wanted.name)

    async def _write(self, wanted: Wanted, build: Callable[[Current], Obj], part: update.Part) -> None:
        endpoint = self._endpoint()
        call = system_call(endpoint, self._admission, verb="update", name=wanted.name)

        def build_same(current: Current) -> Obj:
            """Never of a namesake that was made meanwhile: its uid is another, which is a Conflict."""
            new = build(current)
            new["metadata"]["uid"] = wanted.uid
            return new

        try:
            await update.change(self._records, call, endpoint, wanted.name, build_same, part=part)
        except NotFound:
            log.debug("the subscription is gone", subscription=wanted.name)
        except Conflict as err:
            log.info("a subscription changed meanwhile", subscription=wanted.name, reason=err.message)

    def _endpoint(self) -> Endpoint:
        found = self._endpoints.stored_as(SUBSCRIPTIONS)
        if found is None:
            raise RuntimeError("subscriptions are not served")
        return found


def _without_finalizer(current: Current) -> Obj:
    obj = current.parse()
    meta = obj["metadata"]
    meta["finalizers"] = [one for one in meta.get("finalizers", ()) if one != FINALIZER]
    return obj
