"""What a writer hears when the connection is lost after a commit was sent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from apiserver.store import committer
from apiserver.store.base import Key, Mismatch, OutcomeUnknown, StoreError, StoreUnavailable
from apiserver.store.redis import RedisStore
from tests.conftest import eventually
from tests.integration.store.commits import CONFIGMAPS, commit_of
from tests.integration.store.cutter import Cutter
from tests.servers import Redis


@pytest_asyncio.fixture
async def cutter(redis_server: Redis) -> AsyncIterator[Cutter]:
    made = Cutter(redis_server.server.socket, login=redis_server.login)
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture
async def cut(cutter: Cutter) -> AsyncIterator[RedisStore]:
    """A store whose connections can be cut."""
    made = RedisStore(cutter.url)
    yield made
    await made.close()


async def outbox_numbers(store: RedisStore) -> list[int]:
    return [entry.rv for entry in await store.outbox.read(0, limit=10_000)]


async def test_a_commit_whose_answer_was_lost_is_answered_with_its_number(cut: RedisStore, cutter: Cutter) -> None:
    await cut.commit(commit_of("a"))
    cutter.cut_answers = True
    assert await cut.commit(commit_of("b")) == 2
    assert await outbox_numbers(cut) == [1, 2]


async def test_the_very_first_commit_may_lose_its_answer_too(cut: RedisStore, cutter: Cutter) -> None:
    cutter.cut_answers = True
    assert await cut.commit(commit_of("a")) == 1


async def test_a_commit_that_never_arrived_is_sent_again_once(cut: RedisStore, cutter: Cutter) -> None:
    await cut.commit(commit_of("a"))
    cutter.cut_requests = True
    results = await asyncio.gather(*(cut.commit(commit_of(f"b{i}")) for i in range(8)))
    assert sorted(results) == list(range(2, 10))
    assert cutter.cuts == 1


async def test_a_batch_whose_answers_were_lost_is_answered_one_by_one(cut: RedisStore, cutter: Cutter) -> None:
    await cut.commit(commit_of("taken"))
    cutter.cut_answers = True
    results = await asyncio.gather(
        *(cut.commit(commit_of(name)) for name in ("a", "taken", "b")), return_exceptions=True
    )
    assert [results[0], results[2]] == [2, 3]
    assert isinstance(results[1], Mismatch)
    assert await outbox_numbers(cut) == [1, 2, 3]


async def test_a_delete_whose_answer_was_lost_is_answered_with_its_number(cut: RedisStore, cutter: Cutter) -> None:
    rv = await cut.commit(commit_of("a"))
    cutter.cut_answers = True
    assert await cut.commit(commit_of("a", rv=rv, change="DELETED")) == 2


@pytest.mark.parametrize("then", ["overwritten", "deleted"])
async def test_a_lost_commit_that_others_changed_since_is_found_in_the_outbox(
    cut: RedisStore, cutter: Cutter, store: RedisStore, then: str
) -> None:
    await cut.commit(commit_of("a"))
    cutter.cut_answers = True
    writing = asyncio.create_task(cut.commit(commit_of("b", data="mine")))
    cutter.gate.clear()
    await cutter.answers_lost.wait()
    await store.commit(commit_of("b", rv=2, change="DELETED" if then == "deleted" else "MODIFIED", data="theirs"))
    cutter.gate.set()
    assert await writing == 2


async def test_an_outcome_that_nothing_tells_any_more_is_said_to_be_unknown(
    cut: RedisStore, cutter: Cutter, store: RedisStore
) -> None:
    await cut.commit(commit_of("a"))
    cutter.cut_answers = True
    writing = asyncio.create_task(cut.commit(commit_of("b", data="mine")))
    cutter.gate.clear()
    await cutter.answers_lost.wait()
    await store.commit(commit_of("b", rv=2, data="theirs"))
    await store.outbox.trim(2)
    cutter.gate.set()
    with pytest.raises(OutcomeUnknown):
        await writing


async def test_a_server_that_hangs_can_not_run_the_commit_after_the_writer_was_answered(
    redis_server: Redis, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "TIMEOUT_SECONDS", 0.3)
    await store.commit(commit_of("a"))
    redis_server.signal(signal.SIGSTOP)
    writing = asyncio.create_task(store.commit(commit_of("b")))
    await eventually(
        lambda: not store._commit_wire._connection.is_connected,  # type: ignore[attr-defined]
        what="the writer gave up waiting for the answer",
    )
    redis_server.signal(signal.SIGCONT)
    assert await writing == 2
    assert await outbox_numbers(store) == [1, 2]


async def test_while_redis_is_away_a_sent_commit_is_unknown_and_a_new_one_unavailable(
    redis_server: Redis, cut: RedisStore, cutter: Cutter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "SETTLE_SECONDS", 0.3)
    await cut.commit(commit_of("a"))
    cutter.cut_answers = True
    writing = asyncio.create_task(cut.commit(commit_of("b")))
    await cutter.answers_lost.wait()
    redis_server.kill()
    with pytest.raises(OutcomeUnknown):
        await writing
    with pytest.raises(StoreUnavailable):
        await cut.commit(commit_of("c"))
    with pytest.raises(StoreUnavailable):
        await cut.get(Key(CONFIGMAPS, "default", "a"))
    redis_server.start()
    assert await cut.commit(commit_of("c")) == 3


async def test_after_kill_9_under_load_every_acknowledged_write_is_there_and_no_number_is_used_twice(
    redis_server: Redis, store: RedisStore
) -> None:
    acknowledged: dict[str, int] = {}
    unknown: set[str] = set()
    stop = asyncio.Event()

    async def writer(number: int) -> None:
        i = 0
        while not stop.is_set():
            name = f"w{number}-{i}"
            i += 1
            try:
                acknowledged[name] = await store.commit(commit_of(name, data="x" * 300))
            except OutcomeUnknown:
                unknown.add(name)
            except StoreError:
                await asyncio.sleep(0.01)

    writers = [asyncio.create_task(writer(n)) for n in range(16)]
    for _ in range(3):
        goal = len(acknowledged) + 300
        await eventually(lambda goal=goal: len(acknowledged) > goal, what="writes go on")  # type: ignore[misc]
        redis_server.kill()
        redis_server.start()
    goal = len(acknowledged) + 100
    await eventually(lambda: len(acknowledged) > goal, what="writes go on after the last kill")
    stop.set()
    await asyncio.gather(*writers)

    _, items = await store.list(CONFIGMAPS)
    there = {key.removeprefix("default/"): stored.rv for key, stored in items}
    assert {name: there.get(name) for name in acknowledged} == acknowledged
    assert there.keys() - acknowledged.keys() <= unknown
    numbers = await outbox_numbers(store)
    while more := await store.outbox.read(numbers[-1], limit=10_000):
        numbers += [entry.rv for entry in more]
    assert numbers == list(range(1, await store.current_rv() + 1))
    assert len(numbers) == len(there)
    assert orjson.loads(items[0][1].json)["kind"] == "ConfigMap"
