"""A handler per object: one at a time for each, side by side for several, acknowledged when done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from broker import workqueue
from broker.by_key import Handle, by_key
from broker.change import Change, Key
from broker.cursor import Cursor
from broker.snapshot import Snapshot
from broker.subscriber import CursorLost
from tests.conftest import eventually
from tests.unit.broker.fake_subscriber import FakeSubscriber, change


class Recorder:
    """Handles when it is let, and tells what it was given."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, list[int]]] = []
        self.at_work: set[str] = set()
        self.most_at_work = 0
        self._gates: dict[str, asyncio.Event] = {}

    def gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    async def __call__(self, key: Key, changes: Sequence[Change]) -> None:
        assert key.name not in self.at_work, "twice at once"
        self.at_work.add(key.name)
        self.most_at_work = max(self.most_at_work, len(self.at_work))
        self.begun.append((key.name, [one.rv for one in changes]))
        try:
            await self.gate(key.name).wait()
        finally:
            self.at_work.remove(key.name)


@contextlib.asynccontextmanager
async def handling(cursor: Cursor, handle: Handle, **options: int) -> AsyncIterator[None]:
    task = asyncio.create_task(by_key(cursor, handle, **options))  # type: ignore[arg-type]
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_different_keys_run_side_by_side_and_the_same_one_in_turn() -> None:
    bus = FakeSubscriber(change(1, "a"), change(2, "b"))
    handle = Recorder()
    cursor = Cursor(bus.me)
    async with handling(cursor, handle):
        await eventually(lambda: len(handle.begun) == 2, what="both at work")
        assert handle.begun == [("a", [1]), ("b", [2])]
        bus.store(change(3, "a"), change(4, "a"))
        await eventually(lambda: cursor.in_hand == 4, what="four in hand")
        handle.gate("a").set()
        await eventually(lambda: len(handle.begun) == 3, what="the second turn")
        assert handle.begun[2] == ("a", [3, 4])
        assert bus.told[-1] == 1  # 2 is not done
        handle.gate("b").set()
        await eventually(lambda: bus.acknowledged == 4, what="all acknowledged")


async def test_no_more_than_so_many_are_at_work() -> None:
    bus = FakeSubscriber(*(change(rv, f"n{rv}") for rv in range(1, 11)))
    handle = Recorder()
    for rv in range(1, 11):
        handle.gate(f"n{rv}").set()
    async with handling(Cursor(bus.me), handle, workers=3):
        await eventually(lambda: bus.acknowledged == 10, what="all acknowledged")
    assert handle.most_at_work <= 3


async def test_no_more_than_so_many_are_in_hand() -> None:
    bus = FakeSubscriber(*(change(rv, "slow" if rv == 1 else f"n{rv}") for rv in range(1, 11)))
    handle = Recorder()
    cursor = Cursor(bus.me)
    async with handling(cursor, handle, at_once=4):
        await eventually(lambda: len(handle.begun) == 4, what="four at work")
        await asyncio.sleep(0)
        assert cursor.in_hand <= 5  # one more was taken and waits for room
        for rv in range(2, 11):
            handle.gate(f"n{rv}").set()
        await eventually(lambda: len(handle.begun) == 10, what="the others done")
        assert bus.acknowledged == 0
        handle.gate("slow").set()
        await eventually(lambda: bus.acknowledged == 10, what="all acknowledged")


async def test_a_handler_that_fails_is_called_again_with_all_it_has_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workqueue, "FIRST_SECONDS", 0.001)
    bus = FakeSubscriber(change(1, "a"), change(2, "b"))
    calls: list[list[int]] = []

    async def handle(key: Key, changes: Sequence[Change]) -> None:
        if key.name == "b":
            return
        calls.append([one.rv for one in changes])
        if len(calls) == 1:
            bus.store(change(3, "a"))
        if len(calls) < 4:
            raise OSError("the other side is away")

    async with handling(Cursor(bus.me), handle):
        await eventually(lambda: bus.acknowledged == 3, what="all acknowledged")
    assert calls[0] == [1]
    assert calls[-1] == [1, 3]
    assert bus.told[-1] == 3


async def test_a_process_that_dies_leaves_what_it_had_not_done() -> None:
    bus = FakeSubscriber(*(change(rv, f"n{rv}") for rv in range(1, 6)))
    handle = Recorder()
    for done in ("n1", "n3"):
        handle.gate(done).set()
    async with handling(Cursor(bus.me), handle):
        await eventually(lambda: len(handle.begun) == 5, what="all begun")
        await eventually(lambda: handle.at_work == {"n2", "n4", "n5"}, what="two done")
    again = Recorder()
    async with handling(Cursor(bus.me), again):
        await eventually(lambda: len(again.begun) == 4, what="what was not acknowledged")
    assert [rvs for _, rvs in again.begun] == [[2], [3], [4], [5]]


async def test_what_exists_is_handled_first_where_everything_is_subscribed_to() -> None:
    bus = FakeSubscriber(change(4, "z"), change(7, "z"), begun=3)
    handle = Recorder()

    async def snapshot() -> Snapshot:
        return Snapshot(7, [change(2, "a"), change(6, "b")])

    async with handling(Cursor(bus.me, snapshot_first=True, take_snapshot=snapshot), handle):
        await eventually(lambda: len(handle.begun) == 2, what="what exists")
        assert handle.begun == [("a", [2]), ("b", [6])]
        bus.store(change(8, "a"))
        handle.gate("a").set()
        await eventually(lambda: len(handle.begun) == 3, what="what changed")
        assert bus.acknowledged == 3
        handle.gate("b").set()
        await eventually(lambda: bus.acknowledged == 8, what="all acknowledged")


async def test_a_lost_cursor_ends_it_with_the_error_itself() -> None:
    with pytest.raises(CursorLost):
        await by_key(Cursor(FakeSubscriber(begun=3, first=9).me), Recorder())


async def test_a_foreign_message_is_passed_over() -> None:
    bus = FakeSubscriber(Change(1, "changes.nonsense", b"{}"), change(2, "a"))
    handle = Recorder()
    handle.gate("a").set()
    async with handling(Cursor(bus.me), handle):
        await eventually(lambda: bus.acknowledged == 2, what="all acknowledged")
    assert handle.begun == [("a", [2])]
