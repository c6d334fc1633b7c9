"""Whether commits may go into the Redis that is there: compared with the stream once in each of its lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from apiserver.store.base import RecordBehindStream, StoreUnavailable
from apiserver.store.footing import StreamView
from apiserver.store.redis import RedisStore
from tests.integration.store.commits import commit_of
from tests.servers import Redis


class Bus:
    """What a store is told of the stream. `end` None: it can't be asked."""

    def __init__(self, end: int | None, *, seen: int = 0) -> None:
        self.end = end
        self.seen = seen
        self.asked = 0

    async def ask(self) -> int | None:
        self.asked += 1
        return self.end

    @contextlib.asynccontextmanager
    async def store(self, redis: Redis) -> AsyncIterator[RedisStore]:
        made = RedisStore(redis.url, stream=StreamView(end=self.ask, seen=lambda: self.seen))
        try:
            yield made
        finally:
            await made.close()


async def start_again(redis: Redis) -> None:
    await asyncio.to_thread(redis.stop)
    await asyncio.to_thread(redis.start)


async def test_each_life_of_redis_is_compared_once(redis_server: Redis) -> None:
    bus = Bus(0)
    async with bus.store(redis_server) as store:
        await store.commit(commit_of("a"))
        await store.commit(commit_of("b"))
        assert bus.asked == 1
        await start_again(redis_server)
        bus.end = 2
        await store.commit(commit_of("c"))
        assert (bus.asked, await store.current_rv()) == (2, 3)


async def test_a_record_behind_the_stream_takes_no_commit_from_any_store(redis_server: Redis) -> None:
    bus = Bus(0)
    async with bus.store(redis_server) as store, bus.store(redis_server) as other:
        await other.commit(commit_of("a"))
        await start_again(redis_server)
        bus.end = 7
        with pytest.raises(RecordBehindStream, match="is at 1 and the stream is at 7"):
            await store.commit(commit_of("b"))
        bus.end = None
        with pytest.raises(RecordBehindStream):
            await other.commit(commit_of("c"))
        with pytest.raises(RecordBehindStream):
            await other.check()
        assert await store.current_rv() == 1


async def test_a_store_that_cannot_ask_waits_until_another_one_has_compared(redis_server: Redis) -> None:
    away = Bus(None, seen=5)
    async with away.store(redis_server) as store, Bus(0).store(redis_server) as other:
        with pytest.raises(StoreUnavailable, match="while NATS is away"):
            await store.commit(commit_of("a"))
        await other.commit(commit_of("b"))
        assert await store.commit(commit_of("a")) == 2


async def test_what_was_compared_in_an_earlier_life_does_not_count(redis_server: Redis) -> None:
    async with Bus(0).store(redis_server) as other:
        await other.commit(commit_of("a"))
    await start_again(redis_server)
    async with Bus(None).store(redis_server) as store:
        with pytest.raises(StoreUnavailable, match="while NATS is away"):
            await store.commit(commit_of("b"))


async def test_a_store_that_cannot_ask_goes_by_what_it_has_seen(redis_server: Redis) -> None:
    bus = Bus(0)
    async with bus.store(redis_server) as store:
        for name in "abc":
            await store.commit(commit_of(name))
        await start_again(redis_server)
        bus.end, bus.seen = None, 3
        assert await store.commit(commit_of("d")) == 4
        await start_again(redis_server)
        bus.seen = 9
        with pytest.raises(RecordBehindStream):
            await store.commit(commit_of("e"))


async def test_an_emptied_redis_is_not_written_to(redis_server: Redis) -> None:
    bus = Bus(0)
    async with bus.store(redis_server) as store:
        await store.commit(commit_of("a"))
        await asyncio.to_thread(redis_server.kill)
        for left in redis_server.server.directory.glob("appendonlydir/*"):
            left.unlink()
        await asyncio.to_thread(redis_server.start)
        bus.end = None
        with pytest.raises(RecordBehindStream, match="is at 0 and the stream is at 1"):
            await store.commit(commit_of("b"))


async def test_a_relay_that_told_where_the_stream_is_has_compared_for_all(redis_server: Redis) -> None:
    async with Bus(None).store(redis_server) as store, Bus(None).store(redis_server) as other:
        await other.outbox.report_stream(0)
        assert await store.commit(commit_of("a")) == 1
        await start_again(redis_server)
        await other.outbox.report_stream(5)
        with pytest.raises(RecordBehindStream):
            await store.commit(commit_of("b"))


async def test_what_one_store_knows_by_memory_counts_for_the_others(redis_server: Redis) -> None:
    bus, fresh = Bus(0), Bus(None)
    async with bus.store(redis_server) as store, fresh.store(redis_server) as other:
        await store.commit(commit_of("a"))
        await start_again(redis_server)
        bus.end = None
        await store.commit(commit_of("b"))
        assert await other.commit(commit_of("c")) == 3
