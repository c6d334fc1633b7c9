"""The record rebuilt from the stream, and another put in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from apiserver.store.base import RecordClosed, ResourceVersion, Stored, StoredResource, StoreUnavailable
from apiserver.store.redis import RedisStore
from apiserver.store.upkeep import Applied
from broker import subjects
from broker.change import Change
from tests.integration.store.commits import CONFIGMAPS, commit_of
from tests.servers import Redis

LEASES = StoredResource("coordination.k8s.io", "leases")


@pytest_asyncio.fixture
async def source(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisStore]:
    """Another record, whose changes are what the stream holds."""
    server = Redis(tmp_path_factory.mktemp("source"))
    server.start()
    store = RedisStore(server.url)
    yield store
    await store.close()
    server.close()


async def published(store: RedisStore) -> list[Applied]:
    made = []
    for entry in await store.outbox.read(0, limit=1000):
        place = subjects.parse(entry.subject)
        change = Change(entry.rv, entry.subject, entry.body, {**entry.headers, "Nats-Sequence": str(entry.rv)})
        made.append(Applied(change, StoredResource(place.group, place.resource), f"{place.namespace}/{place.name}"))
    return made


async def everything(store: RedisStore) -> dict[StoredResource, tuple[int, dict[str, Stored]]]:
    found = {resource: await store.list(resource) for resource in await store.resources()}
    return {resource: (rv, dict(items)) for resource, (rv, items) in found.items()}


async def some_history(store: RedisStore) -> None:
    for name in "abc":
        await store.commit(commit_of(name, data="x"))
    await store.commit(commit_of("a", rv=1, data="y"))
    await store.commit(commit_of("lease", resource=LEASES))
    await store.commit(commit_of("b", rv=2, change="DELETED"))


async def test_changes_that_are_applied_make_the_same_record(store: RedisStore, source: RedisStore) -> None:
    await some_history(source)
    steps = await published(source)
    assert await store.upkeep.apply(steps[:2]) == 2
    assert await store.upkeep.apply(steps[2:]) == 6
    assert await everything(store) == await everything(source)
    assert await store.outbox.read(0, limit=100) == await source.outbox.read(0, limit=100)
    assert await store.commit(commit_of("d")) == 7


async def test_changes_that_do_not_follow_are_not_applied(store: RedisStore, source: RedisStore) -> None:
    await some_history(source)
    steps = await published(source)
    assert await store.upkeep.apply(steps[2:]) == 0
    assert await store.upkeep.apply(steps[:4]) == 4
    assert await store.upkeep.apply(steps[:4]) == 4
    assert await store.upkeep.apply(steps[2:]) == 4
    assert await store.current_rv() == 4


async def test_a_foreign_message_is_a_number_and_nothing_else(store: RedisStore) -> None:
    foreign = Applied(Change(1, "changes.hello", b"hello"))
    assert await store.upkeep.apply([foreign]) == 1
    assert await everything(store) == {}
    assert await store.commit(commit_of("a")) == 2


async def test_what_is_not_kept_for_the_stream_is_applied_all_the_same(store: RedisStore, source: RedisStore) -> None:
    await some_history(source)
    steps = [Applied(s.change, s.resource, s.key, in_outbox=s.change.rv > 4) for s in await published(source)]
    await store.upkeep.apply(steps)
    assert await everything(store) == await everything(source)
    assert [entry.rv for entry in await store.outbox.read(0, limit=100)] == [5, 6]


async def test_a_closed_record_takes_no_write_until_it_is_opened(store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    await store.upkeep.close("it is being restored")
    with pytest.raises(RecordClosed, match="no write is taken now: it is being restored"):
        await store.commit(commit_of("b"))
    with pytest.raises(RecordClosed):
        await store.check()
    assert await store.current_rv() == 1
    assert (await store.upkeep.numbers()).closed == "it is being restored"
    await store.upkeep.open()
    assert await store.commit(commit_of("b")) == 2


async def test_numbers_only_rise(store: RedisStore) -> None:
    await store.commit(commit_of("a"))
    await store.upkeep.raise_to(5)
    await store.upkeep.raise_to(3)
    assert await store.commit(commit_of("b")) == 6
    assert await store.upkeep.leap(3, history="x") == 7
    assert await store.upkeep.leap(20, history="y") == 21
    numbers = await store.upkeep.numbers()
    assert (numbers.rv, numbers.outbox_entries) == (21, 0)
    assert await store.outbox.history() == "y"
    assert await store.commit(commit_of("c")) == 22


async def test_another_record_takes_the_place_of_this_one_in_one_step(store: RedisStore, source: RedisStore) -> None:
    await some_history(source)
    await store.commit(commit_of("old", resource=StoredResource("apps", "deployments")))
    await store.commit(commit_of("a", data="old"))
    upkeep = store.upkeep
    for resource, (_, items) in (await everything(source)).items():
        await upkeep.put_aside(resource, items.items())
    await upkeep.put_aside(CONFIGMAPS, [("default/z", Stored(ResourceVersion(3), b"{}"))])
    await upkeep.put_aside(CONFIGMAPS, [("default/z", None)])
    await upkeep.put_outbox_aside([step.change for step in (await published(source))[4:]])
    assert (await store.upkeep.numbers()).aside == 3
    old = await store.resources()
    new = await source.resources()
    assert not await upkeep.switch(why="w", rv=6, history="h", old=old, new=new)
    await upkeep.close("w")
    assert await upkeep.switch(why="w", rv=6, history="h", old=old, new=new)
    await upkeep.open()
    assert await everything(store) == await everything(source)
    assert await store.outbox.read(0, limit=100) == (await source.outbox.read(0, limit=100))[4:]
    assert (await store.outbox.history(), (await upkeep.numbers()).aside) == ("h", 0)
    assert await store.commit(commit_of("d")) == 7


async def test_what_an_early_end_left_lying_about_is_cleared_away(store: RedisStore, redis_server: Redis) -> None:
    await store.upkeep.put_aside(CONFIGMAPS, [("default/a", Stored(ResourceVersion(1), b"{}"))])
    await store.upkeep.drop_aside()
    assert redis_server.ask("KEYS", "*") == []


async def test_upkeep_says_when_redis_is_away(redis_server: Redis) -> None:
    store = RedisStore(redis_server.url)
    redis_server.kill()
    with pytest.raises(StoreUnavailable):
        await store.upkeep.numbers()
    await store.close()
