from __future__ import annotations

import asyncio

import pytest

from apiserver.store import outbox
from apiserver.store.redis import RedisStore
from broker.outbox import OutboxUnavailable
from tests.conftest import eventually
from tests.integration.store.commits import commit_of
from tests.servers import Redis


async def test_reading_hands_out_entries_in_order_after_a_number(store: RedisStore) -> None:
    for i in range(10):
        await store.commit(commit_of(f"a{i}"))
    assert [e.rv for e in await store.outbox.read(3, limit=4)] == [4, 5, 6, 7]
    assert await store.outbox.read(10, limit=4) == []
    assert (await store.outbox.first_rv(), await store.outbox.last_rv()) == (1, 10)


async def test_an_empty_outbox_says_so(store: RedisStore) -> None:
    assert (await store.outbox.first_rv(), await store.outbox.last_rv()) == (0, 0)
    assert await store.outbox.wait(0, timeout_seconds=0.01) == []


async def test_waiting_ends_when_a_commit_arrives(store: RedisStore) -> None:
    waiting = asyncio.create_task(store.outbox.wait(0, timeout_seconds=30))
    await eventually(lambda: store.outbox._waiting.session is not None, what="the waiter is connected")
    await store.commit(commit_of("a"))
    [entry] = await waiting
    assert entry.rv == 1


async def test_a_wait_that_was_given_up_leaves_the_next_one_sound(store: RedisStore) -> None:
    waiting = asyncio.create_task(store.outbox.wait(0, timeout_seconds=30))
    await eventually(lambda: store.outbox._waiting.session is not None, what="the waiter is connected")
    waiting.cancel()
    await asyncio.wait([waiting])
    await store.commit(commit_of("a"))
    assert [e.rv for e in await store.outbox.wait(0, timeout_seconds=5)] == [1]


async def test_only_one_relay_holds_the_lease(store: RedisStore) -> None:
    outbox = store.outbox
    assert await outbox.acquire_lease("one", ttl_seconds=30)
    assert not await outbox.acquire_lease("two", ttl_seconds=30)
    assert await outbox.acquire_lease("one", ttl_seconds=30)
    await outbox.release_lease("two")
    assert not await outbox.acquire_lease("two", ttl_seconds=30)
    await outbox.release_lease("one")
    assert await outbox.acquire_lease("two", ttl_seconds=0.05)

    async def taken_over() -> bool:
        return await outbox.acquire_lease("one", ttl_seconds=30)

    await eventually(taken_over, what="the lease has run out")


async def test_an_outbox_that_is_away_says_unavailable(redis_server: Redis, store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    redis_server.kill()
    with pytest.raises(OutboxUnavailable):
        await store.outbox.read(0, limit=1)
    with pytest.raises(OutboxUnavailable):
        await store.outbox.wait(0, timeout_seconds=1)
    redis_server.start()
    assert [e.rv for e in await store.outbox.wait(0, timeout_seconds=1)] == [1]


async def test_large_entries_are_handed_out_a_few_at_a_time(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of large objects, which an absence of the bus leaves, must not come into memory all at once."""
    monkeypatch.setattr(outbox, "READ_BYTES", 100_000)
    for i in range(60):
        await store.commit(commit_of(f"a{i}", data="x" * (30_000 if 20 <= i < 40 else 1)))
    seen: list[int] = []
    sizes: list[int] = []
    while entries := await store.outbox.read(seen[-1] if seen else 0, limit=500):
        seen += [entry.rv for entry in entries]
        sizes.append(len(entries))
    assert seen == list(range(1, 61))
    assert sizes == [24, 4, 4, 4, 4, 20]
