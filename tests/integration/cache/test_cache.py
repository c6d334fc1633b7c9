from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

import orjson
import pytest

from apiserver.cache import CacheSettings, ContinueToken, SnapshotExpired
from apiserver.cache.objects import Cached
from apiserver.store.base import Stored, StoredResource, StoreUnavailable
from broker.stream import StreamSettings
from tests.conftest import eventually
from tests.integration.cache.plane import Plane, labelled, valued
from tests.integration.store.commits import CONFIGMAPS, commit_object, commit_of
from tests.servers import Nats, Redis


def names(items: Iterable[Cached]) -> list[str]:
    return [orjson.loads(one.json)["metadata"]["name"] for one in items]


async def test_what_was_written_before_and_after_the_start_is_found(redis_server: Redis, nats_server: Nats) -> None:
    first = Plane(redis_server, nats_server)
    await first.store.commit(commit_of("before", data="x"))
    async with first.running() as plane:
        [rv] = await plane.write(commit_of("after"))
        found = plane.cache.get(CONFIGMAPS, "default", "before")
        assert found is not None
        assert orjson.loads(found.json)["data"] == {"v": "x"}
        assert (plane.cache.rv, rv) == (2, 2)
        page = plane.cache.list(CONFIGMAPS)
        assert (names(page.items), page.rv, page.next) == (["after", "before"], 2, None)


async def test_the_cache_equals_the_record_after_a_load_under_writes(redis_server: Redis, nats_server: Nats) -> None:
    plane = Plane(redis_server, nats_server)
    live: dict[str, int] = {}
    stop = asyncio.Event()

    async def writer(number: int) -> None:
        i = 0
        while not stop.is_set():
            name = f"w{number}-{i % 40}"
            i += 1
            rv = live.get(name, 0)
            if rv and i % 3 == 0:
                await plane.store.commit(commit_of(name, rv=rv, change="DELETED"))
                del live[name]
            else:
                live[name] = await plane.store.commit(commit_of(name, rv=rv, data=str(i)))

    writers = [asyncio.create_task(writer(n)) for n in range(8)]
    await eventually(lambda: len(live) > 200, what="there is something to load")
    async with plane.running():
        stop.set()
        await asyncio.gather(*writers)
        rv, items = await plane.store.list(CONFIGMAPS)
        assert await plane.cache.wait_for(rv, timeout_seconds=10)
        cached = {one.key: (one.rv, one.json) for one in plane.cache.list(CONFIGMAPS).items}
        assert cached == {key: (stored.rv, stored.json) for key, stored in items}


async def test_waiting_for_a_number_ends_when_it_is_applied_or_the_time_is_up(plane: Plane) -> None:
    assert not await plane.cache.wait_for(1, timeout_seconds=0.05)
    waiting = asyncio.create_task(plane.cache.wait_for(1, timeout_seconds=10))
    await plane.store.commit(commit_of("a"))
    assert await waiting


async def test_selectors_and_namespaces_select(plane: Plane) -> None:
    await plane.write(
        commit_of("a", labels={"app": "web"}),
        commit_of("b", labels={"app": "db"}),
        commit_of("c", labels={"app": "web"}, namespace="default-2"),
        commit_of("d", data="7", namespace="zoo"),
        commit_object(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}},
            rv=0, change="ADDED", resource=StoredResource("", "nodes"),
        ),
    )  # fmt: skip
    cache = plane.cache
    assert names(cache.list(CONFIGMAPS, match=labelled(app="web")).items) == ["c", "a"]  # "default-2/" < "default/"
    assert names(cache.list(CONFIGMAPS, namespace="default").items) == ["a", "b"]
    assert names(cache.list(CONFIGMAPS, namespace="default", match=labelled(app="web")).items) == ["a"]
    assert names(cache.list(CONFIGMAPS, match=valued("7")).items) == ["d"]
    assert names(cache.list(StoredResource("", "nodes")).items) == ["n"]
    assert cache.get(StoredResource("", "nodes"), "", "n") is not None


async def test_pages_show_the_state_of_the_first_page_while_others_write(plane: Plane) -> None:
    await plane.write_many([f"m{i:02}" for i in range(20)])
    cache = plane.cache
    before = {one.key: one.rv for one in cache.list(CONFIGMAPS).items}
    page = cache.list(CONFIGMAPS, limit=6)
    got = list(page.items)
    steps = iter(
        [
            [commit_of("m00", rv=before["default/m00"], change="DELETED"), commit_of("m055")],
            [commit_of("m10", rv=before["default/m10"], change="DELETED"), commit_of("z")],
            [commit_of("m19", rv=before["default/m19"], data="new"), commit_of("m185")],
        ]
    )
    while page.next is not None:
        assert page.remaining == 20 - len(got)
        await plane.write(*next(steps))
        page = cache.list(CONFIGMAPS, limit=6, after=page.next)
        got += page.items
    assert {one.key: one.rv for one in got} == before
    assert [one.key for one in got] == sorted(before)
    assert page.rv == 20
    assert len(cache.list(CONFIGMAPS).items) == 21


async def test_an_object_that_was_deleted_and_made_again_is_shown_as_it_was(plane: Plane) -> None:
    await plane.write(*[commit_of(n) for n in ("a", "b", "c")])
    page = plane.cache.list(CONFIGMAPS, limit=1)
    await plane.write(commit_of("b", rv=2, change="DELETED"), commit_of("b", data="again"))
    rest = plane.cache.list(CONFIGMAPS, limit=5, after=page.next)
    assert [(one.key, one.rv) for one in rest.items] == [("default/b", 2), ("default/c", 3)]


async def test_pages_with_a_selector_count_what_matches_and_end_exactly(plane: Plane) -> None:
    await plane.write(*[commit_of(f"m{i}", labels={"odd": str(i % 2)}) for i in range(8)])
    page = plane.cache.list(CONFIGMAPS, limit=2, match=labelled(odd="1"))
    assert (names(page.items), page.remaining) == (["m1", "m3"], 0)
    page = plane.cache.list(CONFIGMAPS, limit=2, match=labelled(odd="1"), after=page.next)
    assert (names(page.items), page.next) == (["m5", "m7"], None)


async def test_a_page_whose_state_has_left_the_window_is_expired(redis_server: Redis, nats_server: Nats) -> None:
    plane = Plane(redis_server, nats_server, cache=CacheSettings(window_changes=5))
    async with plane.running():
        await plane.write_many([f"m{i}" for i in range(10)])
        page = plane.cache.list(CONFIGMAPS, limit=2)
        await plane.write_many([f"n{i}" for i in range(5)])
        assert plane.cache.list(CONFIGMAPS, limit=2, after=page.next).rv == 10
        await plane.write_many(["o"])
        with pytest.raises(SnapshotExpired):
            plane.cache.list(CONFIGMAPS, limit=2, after=page.next)
        with pytest.raises(SnapshotExpired):
            plane.cache.list(CONFIGMAPS, limit=2, after=ContinueToken(99, "default/m1"))


async def test_while_the_bus_is_away_the_outbox_tells_what_is_new(
    redis_server: Redis, nats_server: Nats, plane: Plane
) -> None:
    await plane.write(commit_of("a"))
    nats_server.kill()
    for i in range(5):
        await plane.store.commit(commit_of(f"b{i}"))
    assert not await plane.cache.wait_for(6, timeout_seconds=0.1)
    await plane.cache.catch_up_from_store()
    assert plane.cache.rv == 6
    assert len(plane.cache.list(CONFIGMAPS).items) == 6
    nats_server.start()
    await plane.write(commit_of("c"))
    assert plane.cache.rv == 7


async def test_a_server_that_starts_while_the_bus_is_away_serves_lists(redis_server: Redis, nats_server: Nats) -> None:
    nats_server.kill()
    plane = Plane(redis_server, nats_server)
    await plane.store.commit(commit_of("a"))
    async with plane.running():
        assert names(plane.cache.list(CONFIGMAPS).items) == ["a"]


async def test_a_server_that_starts_without_the_bus_while_another_one_writes_gets_ready(
    redis_server: Redis, nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written during the load is in the outbox; the stream can't tell it."""
    nats_server.kill()
    plane, other = (Plane(redis_server, nats_server) for _ in range(2))
    await plane.store.commit(commit_of("a"))
    scan = plane.store.scan

    async def and_then_a_write(resource: StoredResource) -> AsyncIterator[Sequence[tuple[str, Stored]]]:
        async for batch in scan(resource):
            yield batch
        await other.store.commit(commit_of("b"))

    monkeypatch.setattr(plane.store, "scan", and_then_a_write)
    async with plane.running():
        assert plane.cache.rv == 2
        assert names(plane.cache.list(CONFIGMAPS).items) == ["a", "b"]
    await other.store.close()


async def test_an_outbox_that_lacks_what_the_cache_needs_is_an_error(plane: Plane, nats_server: Nats) -> None:
    await plane.write(commit_of("a"))
    nats_server.kill()
    await plane.store.commit(commit_of("b"))
    await plane.store.outbox.trim(2)
    with pytest.raises(StoreUnavailable, match="outbox no longer holds"):
        await plane.cache.catch_up_from_store()
    assert plane.cache.rv == 1


async def test_a_cache_that_retention_has_passed_loads_anew(redis_server: Redis, nats_server: Nats) -> None:
    plane = Plane(redis_server, nats_server, stream=StreamSettings(max_bytes=200_000))
    async with plane.running():
        await plane.write(commit_of("a"))
        other = Plane(redis_server, nats_server, stream=StreamSettings(max_bytes=200_000))
        client = plane.connection._client
        assert client is not None
        await client.close()  # for the cache the bus is away until the watchdog connects again
        async with other.running():
            await other.write_many([f"b{i}" for i in range(300)], data="x" * 2000)
            assert await plane.cache.wait_for(301, timeout_seconds=20)
            assert len(plane.cache.list(CONFIGMAPS).items) == 301


async def test_redis_may_be_away_while_the_cache_starts(redis_server: Redis, nats_server: Nats) -> None:
    plane = Plane(redis_server, nats_server)
    await plane.store.commit(commit_of("a"))
    redis_server.kill()

    async def start_again() -> None:
        await asyncio.sleep(0.3)
        redis_server.start()

    starting = asyncio.create_task(start_again())
    async with plane.running():
        assert names(plane.cache.list(CONFIGMAPS).items) == ["a"]
    await starting
