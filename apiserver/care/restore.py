"""POST /backbeat/restore: a backup takes the place of the record and the stream.

    force=true    although there is something of users, or Secrets in it cannot be opened here

Steps, and what a crash between them leaves
    1. close the record, take the relays' lease          both are open again after CLOSED_SECONDS
    2. put the backup's objects aside, in Redis          the next restore clears them away
    3. switch: objects, counter, outbox, in one step     the record is the restored one; the relay begins the stream
                                                         anew with what the outbox holds, without the older history
    4. make the stream anew, with the backup's history   the same
    5. open the record, give the lease back              the relay publishes what the outbox holds, and goes on

No number is used twice. Numbers go on behind the backup's last one; where this control plane has given out higher ones
already, behind those, and then the stream begins anew there, without history.

Whoever has read anything here must not go on as if it were the same: the stream begins beyond every number that was
given out before, so every cursor and watch of before is behind it and begins anew; and it is of another history, so
agents end and start again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import structlog

from apiserver.api import status
from apiserver.cache.feed import NotAChange, parts_of
from apiserver.care import archive, contents
from apiserver.care.archive import BadArchive, Header, RecordEnd
from apiserver.care.told import Line
from apiserver.store.base import ResourceVersion, Store, Stored, StoredResource
from apiserver.store.seal import Sealer
from apiserver.store.upkeep import CLOSED_SECONDS, Upkeep, own_headers
from broker.change import Change
from broker.connection import Connection
from broker.crashpoints import CrashPoints, from_environment
from broker.errors import BusError, StreamMissing
from broker.outbox import OutboxEntry
from broker.publisher import Publisher
from broker.relay import RelaySettings
from broker.stream import Stream, StreamSettings, state

log = structlog.get_logger(__name__)

BATCH = 500
BATCH_BYTES = 4 * 1024 * 1024
SETTLE_SECONDS = RelaySettings().lease_seconds + 1.0
"""By then a relay that had the lease has noticed that it lost it."""
EVEN_SECONDS = 60.0
"""How long the relay may take to publish the backup's last changes, before the answer says that it is still at it."""
_CLOSED = "a backup is being restored"

Lines = AsyncIterator[bytes]
CaughtUp = Callable[[int], Awaitable[bool]]
"""Waits a while until the server shows everything up to a number."""


@dataclass(frozen=True, slots=True)
class _Ground:
    """What is there before: the highest number that anybody may have seen, and the resources that have objects."""

    highest: int
    resources: tuple[StoredResource, ...]

    @property
    def first(self) -> int:
        """Where the stream may begin: no cursor of before reaches it."""
        return self.highest + 2

    def counter(self, rv: int) -> int:
        """The last number that counts as given out when a backup of `rv` is restored here."""
        return max(rv, self.highest + 1)


@dataclass(slots=True)
class _Aside:
    """What is read of the backup and put aside, a batch at a time."""

    upkeep: Upkeep
    outbox_from: int
    waiting: dict[StoredResource, dict[str, Stored | None]] = field(default_factory=dict)
    outbox: list[Change] = field(default_factory=list)
    resources: dict[StoredResource, None] = field(default_factory=dict)
    size: int = 0
    count: int = 0

    async def take(self, resource: StoredResource, key: str, stored: Stored | None) -> None:
        self.resources[resource] = None
        self.waiting.setdefault(resource, {})[key] = stored
        await self._grown(len(stored.json) if stored is not None else 0)

    async def follow(self, change: Change) -> None:
        """A change that was committed while the objects were read."""
        if change.rv >= self.outbox_from:
            self.outbox.append(change)
        try:
            parts = parts_of(change)
        except NotAChange:
            await self._grown(len(change.body))
            return
        stored = None if parts.type == "DELETED" else Stored(ResourceVersion(change.rv), parts.object)
        await self.take(parts.resource, parts.key, stored)

    async def _grown(self, size: int) -> None:
        self.size += size
        self.count += 1
        if self.count >= BATCH or self.size >= BATCH_BYTES:
            await self.flush()

    async def flush(self) -> None:
        for resource, objects in self.waiting.items():
            await self.upkeep.put_aside(resource, objects.items())
        if self.outbox:
            await self.upkeep.put_outbox_aside(self.outbox)
        self.waiting, self.outbox, self.size, self.count = {}, [], 0, 0


class Restore:
    def __init__(
        self,
        store: Store,
        upkeep: Upkeep,
        connection: Connection,
        sealer: Sealer,
        settings: StreamSettings,
        *,
        caught_up: CaughtUp,
    ) -> None:
        self._store = store
        self._upkeep = upkeep
        self._connection = connection
        self._sealer = sealer
        # Who listens to live changes does not want to hear history.
        self._stream = Stream(connection, replace(settings, live=False))
        self._caught_up = caught_up
        self._crash = from_environment()
        self._turn = asyncio.Lock()

    async def look(self) -> Line:
        """What would be replaced. Raises StoreUnavailable, KeyFileError."""
        self._sealer.reload()
        return {
            "resourceVersion": int(await self._store.current_rv()),
            "holds": await contents.made_by_users(self._store),
            "keys": list(self._sealer.key_ids),
        }

    async def take(self, lines: Lines, *, force: bool) -> Line:
        """The backup's lines. Raises BadRequest, Conflict, StoreUnavailable, BusError."""
        if self._turn.locked():
            raise _conflict("another backup is being restored")
        async with self._turn:
            try:
                return await self._restored(lines, force=force)
            except BadArchive as err:
                raise status.BadRequest(f"the backup cannot be restored: {err}") from err

    async def _restored(self, lines: Lines, *, force: bool) -> Line:
        header = Header.read(archive.read_line(await _next(lines)))
        if closed := (await self._upkeep.numbers()).closed:
            raise _conflict(f"no write is taken now: {closed}")
        async with self._closed() as holder:
            ground = await self._ground(force=force)
            began = asyncio.get_running_loop().time()
            await self._upkeep.drop_aside()
            aside, record = await self._read_record(lines, header, ground, force=force)
            await asyncio.sleep(max(0.0, began + SETTLE_SECONDS - asyncio.get_running_loop().time()))
            self._crash.reach("restore-aside")
            history = secrets.token_hex(8)
            await self._switch(ground, aside, record, holder, history)
            self._crash.reach("restore-switched")
            told, lost = await self._with_history(lines, header, record, ground, history)
        counter = ground.counter(record.rv)
        even = await self._even(counter)
        log.warning("a backup was restored", resource_version=record.rv, counter=counter, history=told)
        return {
            "end": {
                "resourceVersion": record.rv,
                "continuesAfter": counter,
                "objects": record.objects,
                "history": told,
                "historyLost": lost,
                "published": even,
            }
        }

    @contextlib.asynccontextmanager
    async def _closed(self) -> AsyncIterator[str]:
        """While the block runs nobody writes and no relay publishes. Gives the word that it is closed with."""
        holder = f"restore-{secrets.token_hex(6)}"
        why = f"{_CLOSED} ({holder})"

        async def hold() -> None:
            await self._upkeep.close(why)
            await self._upkeep.seize_lease(holder, ttl_seconds=CLOSED_SECONDS)

        async def keep() -> None:
            while True:
                await asyncio.sleep(CLOSED_SECONDS / 5)
                await hold()

        await hold()
        keeping = asyncio.create_task(keep(), name="restore-keep-closed")
        try:
            yield why
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._upkeep.drop_aside()
            await self._upkeep.open()
            await self._store.outbox.release_lease(holder)

    async def _ground(self, *, force: bool) -> _Ground:
        """What will be replaced, now that nobody writes any more."""
        holds = await contents.made_by_users(self._store)
        if holds and not force:
            raise _conflict(f"this control plane is not empty: it holds {contents.in_words(holds)}")
        try:
            last = (await state(self._connection)).last
        except StreamMissing:
            last = 0
        rv = int(await self._store.current_rv())
        return _Ground(max(rv, last), tuple(await self._store.resources()))

    async def _read_record(
        self, lines: Lines, header: Header, ground: _Ground, *, force: bool
    ) -> tuple[_Aside, RecordEnd]:
        aside = _Aside(self._upkeep, ground.first)
        objects, expected = 0, header.objects_from + 1
        while True:
            line = archive.read_line(await _next(lines))
            if "object" in line:
                await aside.take(*archive.read_object(line))
                objects += 1
            elif "change" in line:
                change = archive.read_change(line)
                if change.rv != expected:
                    raise BadArchive(f"change {expected} is missing in it")
                expected += 1
                await aside.follow(change)
            else:
                record = RecordEnd.read(line)
                break
        await aside.flush()
        if (objects, expected - 1) != (record.objects, record.rv):
            raise BadArchive("a part of its record is missing")
        self._check_keys(record, force=force)
        return aside, record

    def _check_keys(self, record: RecordEnd, *, force: bool) -> None:
        self._sealer.reload()
        missing = [key for key in record.keys if key not in self._sealer.key_ids]
        if missing and not force:
            raise _conflict(
                f"Secrets in the backup were sealed with keys that this server does not have ({', '.join(missing)}): "
                "put them into its key file first"
            )

    async def _switch(self, ground: _Ground, aside: _Aside, record: RecordEnd, why: str, history: str) -> None:
        switched = await self._upkeep.switch(
            why=why,
            rv=ground.counter(record.rv),
            history=history,
            old=ground.resources,
            new=list(aside.resources),
        )
        if not switched:
            raise _conflict("the record did not stay closed: was Redis away? Nothing was restored; try again")

    async def _with_history(
        self, lines: Lines, header: Header, record: RecordEnd, ground: _Ground, history: str
    ) -> tuple[int, str]:
        """How many changes of the backup's history are in the stream now, and why there are none. The record has been
        restored: what fails here costs history alone, and the relay begins the stream without it."""
        try:
            return await self._history(lines, header, record, ground, history), ""
        except (BadArchive, BusError, status.BadRequest) as err:
            log.warning("the history of a backup is not restored", reason=str(err))
            return 0, str(err)

    async def _history(self, lines: Lines, header: Header, record: RecordEnd, ground: _Ground, history: str) -> int:
        writing = _History(
            self._connection, self._stream, ground.first, header.objects_from, history, crash=self._crash
        )
        while True:
            line = archive.read_line(await _next(lines))
            if "end" in line:
                break
            if record.rv >= ground.first and header.objects_from >= ground.first:
                await writing.take(line)
        return await writing.finish()

    async def _even(self, counter: int) -> bool:
        """Whether the stream, and what this server shows, are at the counter in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVEN_SECONDS):
                while True:
                    try:
                        if (await state(self._connection)).last >= counter:
                            return await self._caught_up(counter)
                    except BusError as err:
                        log.info("the stream is not there yet", reason=str(err))
                    await asyncio.sleep(0.1)
        return False


class _History:
    """Writes changes into a stream that begins with the first of them. `up_to` is the last one that is history."""

    def __init__(
        self, connection: Connection, stream: Stream, first: int, up_to: int, history: str, *, crash: CrashPoints
    ) -> None:
        self._connection = connection
        self._crash = crash
        self._stream = stream
        self._first = first
        self._up_to = up_to
        self._history = history
        self._position = 0
        self._waiting: list[OutboxEntry] = []
        self._size = 0
        self._written = 0

    async def take(self, line: Line) -> None:
        if "cut" in line:
            self._position, self._waiting, self._size, self._written = 0, [], 0, 0
            return
        change = archive.read_change(line)
        if change.rv < self._first or change.rv > self._up_to:
            return
        if self._position and change.rv != self._position + 1:
            raise BadArchive(f"change {self._position + 1} is missing in its history")
        if not self._position:
            await self._stream.recreate(first=change.rv, history=self._history)
        self._position = change.rv
        self._waiting.append(OutboxEntry(change.rv, change.subject, change.body, own_headers(change)))
        self._size += len(change.body)
        if len(self._waiting) >= BATCH or self._size >= BATCH_BYTES:
            await self._write()

    async def _write(self) -> None:
        if self._waiting:
            async with Publisher(
                self._connection, ack_timeout_seconds=RelaySettings().ack_timeout_seconds
            ) as publisher:
                await publisher.publish(self._waiting)
            self._crash.reach("restore-history")
        self._written += len(self._waiting)
        self._waiting, self._size = [], 0

    async def finish(self) -> int:
        await self._write()
        if self._position and self._position != self._up_to:
            raise BadArchive(f"change {self._position + 1} is missing in its history")
        return self._written


async def _next(lines: Lines) -> bytes:
    """Raises BadArchive at the end."""
    try:
        return await anext(lines)
    except StopAsyncIteration as err:
        raise BadArchive("it ends too early") from err


def _conflict(why: str) -> status.Conflict:
    return status.Conflict(why)
