"""All objects, kept by loading the record once and following the stream from there.

Loading: note the record's number, scan every resource, note the number again; then apply the changes from the first
number on, out of the outbox or else the stream. An object that the scan saw at a later version than a change is left
alone. Once the second number is reached the state is exact, and the cache is ready.

Following: changes are applied in the order of their numbers, each once, whether they come from the stream or, while
the bus is away, from the outbox (`catch_up_from_store`). A missing number is an error and never passed over: the cache
reads again from the last number it applied. When the stream no longer holds that one, everything is loaded anew and
watchers are told to start again (410).

Bounds: all objects as JSON, and per resource the window (`CacheSettings`).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from apiserver.cache.feed import Gap, NotAChange, Published, parts_of
from apiserver.cache.objects import Cached, FieldsOf, Matcher, key_of
from apiserver.cache.table import ContinueToken, ListPage, Table, WindowChange
from apiserver.store.base import Store, StoredResource, StoreUnavailable
from apiserver.store.seal import Sealer
from broker import subjects
from broker.connection import Connection
from broker.errors import StreamExpired
from broker.outbox import OutboxUnavailable
from broker.tail import tail

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Bounds of the window of each resource, and pauses."""

    window_changes: int = 10_000
    window_bytes: int = 32 * 1024 * 1024
    """Older versions of objects that are held for watchers and lists; beyond it, watchers read from the stream."""
    retry_seconds: float = 0.2
    """Between attempts to load, while the store is away."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One change that a table took in, and its frame as published (None for a sealed one)."""

    table: Table
    change: WindowChange
    frame: bytes | None


_Taken = list[Applied]


class Listener(Protocol):
    """Hears of changes at once after they were applied, in order."""

    def applied(self, changes: Sequence[Applied]) -> None: ...

    def reloading(self) -> None:
        """What was heard until now no longer connects to what will be heard."""
        ...


class Cache:
    """See the module's docstring. `run` is one task; all else is called from its event loop."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        *,
        sealer: Sealer,
        fields_of: FieldsOf,
        settings: CacheSettings = CacheSettings(),
    ) -> None:
        self._store = store
        self._connection = connection
        self.sealer = sealer
        self._fields_of = fields_of
        self._settings = settings
        self._tables: dict[StoredResource, Table] = {}
        self._loaded = False
        self._ready = asyncio.Event()
        self._rv = 0
        self.last_subject = ""
        """The subject of change `rv`; empty until one was applied."""
        self._target = 0
        self._exact_from = 0
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._listeners: list[Listener] = []
        self._catching_up = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """The state is exact as of `rv`. False before the first load and while loading anew."""
        return self._ready.is_set()

    @property
    def rv(self) -> int:
        """The last number that was applied."""
        return self._rv

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def table(self, resource: StoredResource) -> Table:
        found = self._tables.get(resource)
        if found is None:
            settings = self._settings
            found = self._tables[resource] = Table(
                resource,
                self._fields_of(resource),
                floor=self._exact_from,
                max_changes=settings.window_changes,
                max_bytes=settings.window_bytes,
            )
        return found

    def get(self, resource: StoredResource, namespace: str, name: str) -> Cached | None:
        """The object as of `rv`."""
        table = self._tables.get(resource)
        return table.get(key_of(namespace, name)) if table is not None else None

    def list(
        self,
        resource: StoredResource,
        *,
        namespace: str = "",
        match: Matcher | None = None,
        limit: int = 0,
        after: ContinueToken | None = None,
    ) -> ListPage:
        """A page, or everything (limit 0), of the state at `rv`; with a token, of the state that the token names.
        Raises SnapshotExpired when that is too far back."""
        return self.table(resource).list(namespace=namespace, match=match, limit=limit, after=after, rv=self._rv)

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def wait_for(self, rv: int, *, timeout_seconds: float) -> bool:
        """True once the state is exact and at `rv` or later; False after the time."""
        if self.ready and self._rv >= rv:
            return True
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (rv, next(self._order), reached))
        try:
            async with asyncio.timeout(timeout_seconds):
                await reached
        except TimeoutError:
            return False
        return True

    async def catch_up_from_store(self) -> None:
        """Apply what the outbox holds beyond `rv`: for reads while the bus is away. Raises StoreUnavailable."""
        async with self._catching_up:
            if not self._loaded:
                raise StoreUnavailable("the cache is still loading")
            last = await self._store.current_rv()
            while self._rv < last:
                try:
                    entries = await self._store.outbox.read(self._rv, limit=500)
                except OutboxUnavailable as err:
                    raise StoreUnavailable(str(err)) from err
                if not self._apply_entries(entries):
                    raise StoreUnavailable("the cache is behind, and the outbox no longer holds what it lacks")
            if not self.ready:
                raise StoreUnavailable("the cache is still loading")

    def _apply_entries(self, entries: Sequence[Published]) -> bool:
        before = self._rv
        if entries and entries[0].rv <= before + 1:
            self.apply(entries)
        return self._rv > before

    async def run(self) -> None:
        """Load and follow until cancelled. Survives both servers being away."""
        while True:
            try:
                await self._load()
                await self._complete_load()
                await self._follow()
            except StreamExpired:
                log.warning("the stream no longer holds what the cache needs; loading anew", rv=self._rv)
                self._forget()
            except StoreUnavailable as err:
                log.info("the cache waits for the store", reason=str(err))
                self._forget()
                await asyncio.sleep(self._settings.retry_seconds)

    def _forget(self) -> None:
        self._loaded = False
        self._ready.clear()
        for listener in self._listeners:
            listener.reloading()

    async def _load(self) -> None:
        first = await self._store.current_rv()
        self._tables = {}
        for resource in await self._store.resources():
            table = self.table(resource)
            async for batch in self._store.scan(resource):
                table.load([Cached(key, stored.rv, self.sealer.show(stored.json)) for key, stored in batch])
        self._target = await self._store.current_rv()
        self._rv = first
        self.last_subject = ""
        self._loaded = True
        log.info("cache loaded", rv=first, target=self._target, resources=len(self._tables))
        self._settle_if_exact()

    async def _complete_load(self) -> None:
        """What was written during the load: the outbox has it, even while the bus is away. Else the stream tells."""
        if self.ready:
            return
        try:
            await self.catch_up_from_store()
        except StoreUnavailable as err:
            log.info("the load is completed from the stream", reason=str(err))

    async def _follow(self) -> None:
        while True:
            try:
                async for changes in tail(self._connection, after=self._rv, filters=[subjects.ALL]):
                    self.apply(changes)
            except Gap as gap:
                log.error("the stream was read with a gap; reading again", reason=str(gap))
                await asyncio.sleep(self._settings.retry_seconds)

    def apply(self, changes: Sequence[Published]) -> None:
        """Take in what was not applied yet. Raises Gap, and then has applied everything before it."""
        taken: _Taken = []
        try:
            for published in changes:
                if published.rv <= self._rv:
                    continue
                if published.rv != self._rv + 1:
                    raise Gap(expected=self._rv + 1, got=published.rv)
                self._apply_one(published, taken)
                self._rv = published.rv
                self.last_subject = published.subject
        finally:
            self._settle_if_exact()
            if taken and self.ready:
                for listener in self._listeners:
                    listener.applied(taken)
            self._wake()

    def _apply_one(self, published: Published, taken: _Taken) -> None:
        try:
            parts = parts_of(published)
        except NotAChange as err:
            log.error("a foreign message stands in the stream", reason=str(err))
            return
        table = self.table(parts.resource)
        plain = self.sealer.show(parts.object)
        change = table.apply(parts.type, Cached(parts.key, published.rv, plain))
        if change is not None:
            taken.append(Applied(table, change, published.body if plain is parts.object else None))

    def _settle_if_exact(self) -> None:
        """The load is complete once its second number is reached: from here on the windows are true."""
        if not self._loaded or self.ready or self._rv < self._target:
            return
        self._exact_from = self._rv
        for table in self._tables.values():
            table.forget_window(self._rv)
        self._ready.set()
        log.info("cache ready", rv=self._rv)
        self._wake()

    def _wake(self) -> None:
        while self.ready and self._waiters and self._waiters[0][0] <= self._rv:
            _, _, reached = heapq.heappop(self._waiters)
            if not reached.done():
                reached.set_result(None)
