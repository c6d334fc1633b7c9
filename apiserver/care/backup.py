"""GET /backbeat/backup: the record and the stream at one resourceVersion, copied while all runs.

    history=false    the record alone

First the objects are scanned; then the counter is read, and what was committed since the scan began is told as changes,
from the stream, or from the outbox where it is not published yet. So nobody waits, and the copy is of one moment. See
`archive` for what is told, in which order.

Retention goes on meanwhile. History begins a little behind the oldest change, and when retention overtakes it, it says
from where on it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from importlib import metadata

from apiserver.api import status
from apiserver.care.archive import Header, RecordEnd, change_line, object_line
from apiserver.care.told import Lines
from apiserver.store.base import Store
from apiserver.store.seal import key_id_of
from apiserver.store.upkeep import Upkeep
from broker.change import Change
from broker.connection import Connection
from broker.errors import BusError, StreamExpired
from broker.replay import replay
from broker.stream import StreamState, state

PAGE = 500
LEAD = 100
"""How far behind the oldest change history begins again when retention has overtaken it."""
PUBLISHED_SECONDS = 5.0
"""How long what was just committed may take to be in the stream; then it is read from the outbox."""


class Backup:
    def __init__(self, store: Store, upkeep: Upkeep, connection: Connection, *, cluster: str) -> None:
        self._store = store
        self._upkeep = upkeep
        self._connection = connection
        self._cluster = cluster

    async def copy(self, *, history: bool) -> Lines:
        """Raises StoreUnavailable, OutboxUnavailable, BusError, ServiceUnavailable."""
        stream = await state(self._connection) if history else None
        began = int(await self._store.current_rv())
        if stream is not None:
            began = min(began, stream.last)  # what is not published yet is told with what comes
        yield await self._header(began, stream)
        objects, keys = 0, set[str]()
        for resource in await self._store.resources():
            async for batch in self._store.scan(resource):
                for key, stored in batch:
                    keys |= {key_id_of(stored.json) or ""}
                    yield object_line(resource, key, stored)
                objects += len(batch)
        rv = int(await self._store.current_rv())
        async for change in self._since(began, rv):
            yield change_line(change)
        yield RecordEnd(rv=rv, objects=objects, changes=rv - began, keys=tuple(sorted(keys - {""}))).line()
        told = 0
        if stream is not None:
            async for line in self._history(stream.first - 1, began):
                told = 0 if "cut" in line else told + 1
                yield line
        yield {"end": {"resourceVersion": rv, "history": told}}

    async def _header(self, began: int, stream: StreamState | None) -> dict[str, object]:
        sizes = [await self._upkeep.size(resource) for resource in await self._store.resources()]
        return Header(
            objects_from=began,
            cluster=self._cluster,
            version=metadata.version("backbeat"),
            time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            objects=sum(sizes),
            changes=max(0, began + 1 - stream.first) if stream is not None else 0,
        ).line()

    async def _since(self, after: int, up_to: int) -> AsyncGenerator[Change, None]:
        """Every change between, each once and in order."""
        position = after
        if position < up_to:
            async for change in self._published(position, up_to):
                if change.rv != position + 1:
                    raise _lacking(position + 1)
                yield change
                position = change.rv
        while position < up_to:
            entries = await self._store.outbox.read(position, limit=PAGE)
            if not entries or entries[0].rv != position + 1:
                raise _lacking(position + 1)
            for entry in entries:
                if entry.rv <= up_to:
                    yield Change(entry.rv, entry.subject, entry.body, entry.headers)
                    position = entry.rv

    async def _published(self, after: int, up_to: int) -> AsyncGenerator[Change, None]:
        """As much of it as the stream holds. Nothing, while the bus is away."""
        try:
            last = await self._wait_published(up_to)
            async for change in replay(self._connection, after=after, up_to=min(last, up_to)):
                yield change
        except BusError:
            return

    async def _wait_published(self, rv: int) -> int:
        """Where the stream ends, once that is at `rv` or the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PUBLISHED_SECONDS
        while (last := (await state(self._connection)).last) < rv and loop.time() < deadline:
            await asyncio.sleep(0.05)
        return last

    async def _history(self, after: int, up_to: int) -> Lines:
        while True:
            try:
                async for change in replay(self._connection, after=after, up_to=up_to):
                    yield change_line(change)
            except StreamExpired as err:
                after = err.first - 1 + LEAD
                yield {"cut": after + 1}
            else:
                return


def _lacking(rv: int) -> status.ServiceUnavailable:
    return status.ServiceUnavailable(
        f"change {rv} was committed while the backup was made, and neither the stream nor the outbox has it any more; "
        "try again"
    )
