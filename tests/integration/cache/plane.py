"""A control plane without its HTTP side: record, relay, bus, cache and watches, all real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import orjson

from apiserver.cache import Cache, CacheSettings, Matcher
from apiserver.store.base import Commit, StoredResource
from apiserver.store.keyring import SealingKey
from apiserver.store.redis import RedisStore
from apiserver.store.seal import Sealer
from apiserver.watch import View, Watcher, WatchHub, WatchOptions, WatchSettings
from broker.connection import Connection
from broker.relay import Relay
from broker.stream import StreamSettings
from tests.integration.store.commits import CONFIGMAPS, commit_of
from tests.servers import Nats, Redis

SEALER = Sealer([SealingKey.of(os.urandom(32))])


def fields_of(resource: StoredResource) -> Any:
    """Stands for the kinds' rules: one selectable field."""
    return lambda obj: {"data.v": (obj.get("data") or {}).get("v", "")}


def labelled(**wanted: str) -> Matcher:
    def matches(labels: Mapping[str, str]) -> bool:
        return all(labels.get(k) == v for k, v in wanted.items())

    return Matcher(key=",".join(f"{k}={v}" for k, v in sorted(wanted.items())), labels=matches)


def valued(value: str) -> Matcher:
    return Matcher(key=f"|data.v={value}", fields=lambda fields: fields["data.v"] == value)


class Plane:
    """All parts of one server, from one Redis and one NATS."""

    def __init__(
        self,
        redis: Redis,
        nats: Nats,
        *,
        cache: CacheSettings | None = None,
        watch: WatchSettings | None = None,
        stream: StreamSettings | None = None,
    ) -> None:
        self.store = RedisStore(redis.url)
        self.connection = Connection(nats.url, name="test")
        self.relay = Relay(self.connection, self.store.outbox, stream or StreamSettings(), holder=uuid.uuid4().hex)
        self.cache = Cache(
            self.store, self.connection, sealer=SEALER, fields_of=fields_of, settings=cache or CacheSettings()
        )
        self.hub = WatchHub(self.cache, self.connection, watch or WatchSettings())
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def running(self, *, relay: bool = True) -> AsyncIterator[Plane]:
        parts = {"connection": self.connection.run(), "cache": self.cache.run()}
        if relay:
            parts["relay"] = self.relay.run()
        tasks = [asyncio.create_task(run, name=f"plane-{name}") for name, run in parts.items()]
        try:
            async with asyncio.timeout(15):
                await self.cache.wait_ready()
            yield self
        finally:
            self.hub.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.store.close()

    async def write(self, *commits: Commit) -> list[int]:
        """Commit one after the other, and wait until the cache has them."""
        numbers: list[int] = [await self.store.commit(commit) for commit in commits]
        assert await self.cache.wait_for(numbers[-1], timeout_seconds=10)
        return numbers

    async def write_many(self, names: Iterable[str], **options: Any) -> None:
        numbers = await asyncio.gather(*(self.store.commit(commit_of(name, **options)) for name in names))
        assert await self.cache.wait_for(max(numbers), timeout_seconds=10)

    async def watch(self, view: View | None = None, **options: Any) -> Frames:
        options = {"kind": "ConfigMap", "api_version": "v1", **options}
        return Frames(await self.hub.watch(view or View(CONFIGMAPS), WatchOptions(**options)))


class Frames:
    """Reads a watcher frame by frame."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.writes = 0
        self._lines: list[bytes] = []

    async def next(self, *, timeout_seconds: float = 10) -> dict[str, Any] | None:
        """The next frame; None at the end."""
        while not self._lines:
            try:
                async with asyncio.timeout(timeout_seconds):
                    chunk = await anext(self.watcher)
            except StopAsyncIteration:
                return None
            assert chunk.endswith(b"\n")
            self.writes += 1
            self._lines = chunk.splitlines()
        frame: dict[str, Any] = orjson.loads(self._lines.pop(0))
        return frame

    async def take(self, count: int) -> list[dict[str, Any]]:
        frames = [await self.next() for _ in range(count)]
        return [frame for frame in frames if frame is not None]

    async def until(self, rv: int) -> list[dict[str, Any]]:
        """Frames up to and with the one of this number."""
        frames: list[dict[str, Any]] = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
            if number(frame) >= rv:
                break
        return frames

    async def rest(self) -> list[dict[str, Any]]:
        frames = []
        while (frame := await self.next()) is not None:
            frames.append(frame)
        return frames

    async def close(self) -> None:
        self.watcher.close()
        assert await self.next() is None


def number(frame: dict[str, Any]) -> int:
    return int(frame["object"]["metadata"]["resourceVersion"])


def short(frame: dict[str, Any]) -> tuple[str, str, int]:
    """(type, name, number)."""
    return frame["type"], frame["object"]["metadata"].get("name", ""), number(frame)
