"""A key is worked on once at a time, nothing is forgotten, failures are spaced out."""

from __future__ import annotations

import asyncio

import pytest

from broker import workqueue as queues
from broker.workqueue import WorkQueue, backoff
from tests.conftest import eventually


async def take(queue: WorkQueue[str]) -> str:
    async with asyncio.timeout(5):
        return await queue.get()


async def test_first_come_first_served_and_each_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in "abab":
        queue.add(key)
    assert (await take(queue), await take(queue)) == ("a", "b")
    assert len(queue) == 0


async def test_a_key_added_while_it_is_worked_on_comes_again_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    await take(queue)
    queue.add("a")
    assert len(queue) == 0
    queue.done("a")
    assert await take(queue) == "a"
    queue.done("a")
    assert queue.idle


async def test_a_waiting_worker_is_woken() -> None:
    queue: WorkQueue[str] = WorkQueue()
    workers = [asyncio.create_task(take(queue)) for _ in range(3)]
    await asyncio.sleep(0)
    for key in "abc":
        queue.add(key)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_of_two_wishes_for_later_the_earlier_holds() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.01)
    queue.add_after("a", 60)
    assert await take(queue) == "a"
    queue.add_after("b", 0)
    assert await take(queue) == "b"
    queue.close()


async def test_failures_in_a_row_wait_longer_until_they_are_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue()
    assert [queue.retry("a") for _ in range(3)] == [1, 2, 3]
    queue.forget("a")
    assert queue.retry("a") == 1
    await eventually(lambda: len(queue) == 1, what="the retry is due")
    queue.close()


async def test_a_change_does_not_wait_for_the_back_off() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(12):
        queue.retry("a")
    queue.add("a")
    assert await take(queue) == "a"
    queue.close()


async def test_a_closed_queue_adds_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "FIRST_SECONDS", 0.01)
    queue: WorkQueue[str] = WorkQueue()
    queue.retry("a")
    queue.close()
    await asyncio.sleep(0.05)
    assert len(queue) == 0


def test_the_back_off_doubles_and_ends() -> None:
    assert [backoff(n) for n in (1, 2, 3)] == [0.02, 0.04, 0.08]
    assert backoff(500) == 30
