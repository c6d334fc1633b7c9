from __future__ import annotations

import asyncio

import orjson
import pytest

from apiserver.store.base import (
    Key,
    Mismatch,
    OutboxFull,
    RecordBehindStream,
    StoredResource,
    StoreUnavailable,
)
from apiserver.store.redis import RedisStore
from tests.integration.store.commits import CONFIGMAPS, commit_of
from tests.servers import Redis


async def test_the_stored_object_and_its_change_carry_the_number_that_the_commit_returned(store: RedisStore) -> None:
    rv = await store.commit(commit_of("a", data="x"))
    stored = await store.get(Key(CONFIGMAPS, "default", "a"))
    assert stored is not None
    assert (rv, stored.rv) == (1, 1)
    obj = orjson.loads(stored.json)
    assert obj["metadata"]["resourceVersion"] == "1"

    [entry] = await store.outbox.read(0, limit=10)
    assert (entry.rv, entry.subject) == (1, "changes.core.configmaps.default.a")
    assert orjson.loads(entry.body) == {"type": "ADDED", "object": obj}
    assert entry.headers == {"Backbeat-Actor": "tester"}


async def test_a_delete_removes_the_object_and_its_change_carries_the_last_state(store: RedisStore) -> None:
    rv = await store.commit(commit_of("a", data="x"))
    gone = await store.commit(commit_of("a", rv=rv, change="DELETED", data="x"))
    assert await store.get(Key(CONFIGMAPS, "default", "a")) is None
    [entry] = await store.outbox.read(rv, limit=10)
    body = orjson.loads(entry.body)
    assert (gone, body["type"], body["object"]["data"]) == (2, "DELETED", {"v": "x"})
    assert body["object"]["metadata"]["resourceVersion"] == "2"


async def test_a_mismatch_says_where_the_object_is_and_leaves_nothing(store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    with pytest.raises(Mismatch) as taken:
        await store.commit(commit_of("a"))
    with pytest.raises(Mismatch) as stale:
        await store.commit(commit_of("a", rv=7))
    with pytest.raises(Mismatch) as missing:
        await store.commit(commit_of("b", rv=1))
    assert (taken.value.actual_rv, stale.value.actual_rv, missing.value.actual_rv) == (1, 1, 0)
    assert await store.current_rv() == 1
    assert len(await store.outbox.read(0, limit=10)) == 1
    assert await store.get(Key(CONFIGMAPS, "default", "b")) is None


async def test_thirty_two_writers_at_once_get_consecutive_numbers(store: RedisStore) -> None:
    async def writer(number: int) -> list[int]:
        return [await store.commit(commit_of(f"w{number}-{i}")) for i in range(20)]

    numbers = [rv for one in await asyncio.gather(*(writer(n) for n in range(32))) for rv in one]
    assert sorted(numbers) == list(range(1, 641))
    assert [entry.rv for entry in await store.outbox.read(0, limit=1000)] == list(range(1, 641))


async def test_of_two_writers_of_one_version_exactly_one_wins(redis_server: Redis, store: RedisStore) -> None:
    other = RedisStore(redis_server.url)
    rv = await store.commit(commit_of("a"))
    results = await asyncio.gather(
        *(s.commit(commit_of("a", rv=rv, data=str(n))) for n, s in enumerate([store, other] * 8)),
        return_exceptions=True,
    )
    await other.close()
    assert sorted(type(r).__name__ for r in results) == ["Mismatch"] * 15 + ["int"]


async def test_a_full_outbox_refuses_and_a_trimmed_one_accepts_again(redis_server: Redis) -> None:
    store = RedisStore(redis_server.url, outbox_limit_entries=3)
    for i in range(3):
        await store.commit(commit_of(f"a{i}"))
    with pytest.raises(OutboxFull):
        await store.commit(commit_of("b"))
    assert await store.current_rv() == 3
    await store.outbox.trim(2)
    assert await store.outbox.first_rv() == 3
    assert await store.commit(commit_of("b")) == 4
    await store.close()


async def test_a_record_behind_the_stream_refuses_until_it_has_caught_up(store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    await store.outbox.report_stream(5)
    with pytest.raises(RecordBehindStream):
        await store.commit(commit_of("b"))
    assert await store.current_rv() == 1
    await store.outbox.report_stream(1)
    assert await store.commit(commit_of("b")) == 2


async def test_numbers_beyond_fourteen_digits_stay_exact(redis_server: Redis) -> None:
    store = RedisStore(redis_server.url)
    await store._reads.ask("SET", "{backbeat}:rv", 9_007_199_254_740_000)
    assert await store.commit(commit_of("a")) == 9_007_199_254_740_001
    stored = await store.get(Key(CONFIGMAPS, "default", "a"))
    assert stored is not None
    assert stored.rv == 9_007_199_254_740_001
    assert orjson.loads(stored.json)["metadata"]["resourceVersion"] == "9007199254740001"
    await store.close()


async def test_a_counter_behind_the_outbox_refuses_and_writes_nothing(store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    await store.commit(commit_of("b"))
    await store._reads.ask("SET", "{backbeat}:rv", 1)
    with pytest.raises(StoreUnavailable, match="XADD"):
        await store.commit(commit_of("c"))
    assert await store.get(Key(CONFIGMAPS, "default", "c")) is None
    assert await store.current_rv() == 1


async def test_a_redis_out_of_memory_refuses_and_writes_nothing(store: RedisStore, redis_server: Redis) -> None:
    await store.commit(commit_of("a"))
    redis_server.ask("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(StoreUnavailable, match="OOM"):
        await store.commit(commit_of("b"))
    redis_server.ask("CONFIG", "SET", "maxmemory", 0)
    assert await store.commit(commit_of("b")) == 2


async def test_a_script_that_the_server_forgot_is_loaded_again(store: RedisStore, redis_server: Redis) -> None:
    await store.commit(commit_of("a"))
    redis_server.ask("SCRIPT", "FLUSH")
    results = await asyncio.gather(*(store.commit(commit_of(f"b{i}")) for i in range(10)))
    assert sorted(results) == list(range(2, 12))


async def test_a_list_is_a_snapshot_and_a_scan_reaches_everything(store: RedisStore) -> None:
    await asyncio.gather(*(store.commit(commit_of(f"a{i}")) for i in range(1200)))
    await store.commit(commit_of("lease", resource=StoredResource("coordination.k8s.io", "leases")))
    rv, items = await store.list(CONFIGMAPS)
    assert rv == 1201
    assert {key for key, _ in items} == {f"default/a{i}" for i in range(1200)}
    scanned = {key: stored async for batch in store.scan(CONFIGMAPS) for key, stored in batch}
    assert scanned == dict(items)
    assert await store.resources() == [CONFIGMAPS, StoredResource("coordination.k8s.io", "leases")]
    assert await store.list(StoredResource("apps", "deployments")) == (1201, [])


async def test_two_control_planes_share_one_redis_without_meeting(redis_server: Redis) -> None:
    one, two = RedisStore(redis_server.admin_url, cluster="one"), RedisStore(redis_server.admin_url, cluster="two")
    assert await one.commit(commit_of("a")) == 1
    assert await two.commit(commit_of("a")) == 1
    assert await two.get(Key(CONFIGMAPS, "default", "b")) is None
    await one.close()
    await two.close()
