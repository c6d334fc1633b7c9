"""What a Cursor hands out, and what it tells the broker, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.change import Change
from broker.cursor import Cursor
from broker.labels import matcher
from broker.snapshot import Snapshot
from broker.subscriber import CursorLost
from tests.unit.broker.fake_subscriber import FakeSubscriber, change

WEB = matcher({"matchLabels": {"app": "web"}})


async def take(changes: AsyncGenerator[Change, None], count: int) -> list[Change]:
    async with asyncio.timeout(5):
        return [await anext(changes) for _ in range(count)]


def rvs(changes: list[Change]) -> list[int]:
    return [one.rv for one in changes]


async def test_an_acknowledgement_is_of_everything_before() -> None:
    bus = FakeSubscriber(*(change(rv) for rv in (2, 5, 9)))
    cursor = Cursor(bus.me)
    changes = cursor.changes()
    found = await take(changes, 3)
    assert (cursor.in_hand, cursor.position) == (3, 0)
    assert await cursor.acknowledge(found[1])
    assert (cursor.in_hand, cursor.position, bus.told) == (1, 5, [5])
    await changes.aclose()


async def test_what_is_done_out_of_turn_waits_for_what_is_not() -> None:
    bus = FakeSubscriber(*(change(rv) for rv in (2, 5, 9)))
    cursor = Cursor(bus.me)
    changes = cursor.changes()
    found = await take(changes, 3)
    await cursor.done(found[2])
    await cursor.done(found[1])
    assert bus.told == []
    await cursor.done(found[0])
    assert bus.told == [9]
    await changes.aclose()


async def test_after_a_lost_connection_what_is_in_hand_does_not_come_twice() -> None:
    bus = FakeSubscriber(*(change(rv) for rv in (1, 2, 3)))
    cursor = Cursor(bus.me)
    changes = cursor.changes()
    found = await take(changes, 2)
    bus.lose_connection()
    assert rvs(await take(changes, 1)) == [3]
    assert await cursor.acknowledge(found[1])
    await changes.aclose()


async def test_an_acknowledgement_that_did_not_arrive_is_told_again_when_its_change_comes_again() -> None:
    bus = FakeSubscriber(change(1), change(2))
    cursor = Cursor(bus.me)
    changes = cursor.changes()
    found = await take(changes, 1)
    bus.away = True
    assert not await cursor.acknowledge(found[0])
    bus.away = False
    bus.lose_connection()
    assert rvs(await take(changes, 1)) == [2]
    assert bus.told == [1]
    await changes.aclose()


async def test_whoever_listens_anew_gets_what_was_not_acknowledged() -> None:
    bus = FakeSubscriber(*(change(rv) for rv in (1, 2, 3)))
    cursor = Cursor(bus.me)
    first = cursor.changes()
    await cursor.acknowledge((await take(first, 2))[0])
    await first.aclose()
    second = cursor.changes()
    assert rvs(await take(second, 2)) == [2, 3]
    await second.aclose()


async def test_what_does_not_match_is_left_out_and_acknowledged_when_nothing_waits() -> None:
    bus = FakeSubscriber(change(1), change(2, app="web"), change(3), change(4, pending=0))
    cursor = Cursor(bus.me, matches=WEB)
    changes = cursor.changes()
    found = await take(changes, 1)
    assert rvs(found) == [2]
    waiting = asyncio.create_task(anext(changes))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert bus.told == [1]  # what is in hand holds the cursor
    await cursor.done(found[0])
    assert bus.told == [1, 4]
    bus.store(change(5, pending=0), change(6, app="web"))
    assert (await waiting).rv == 6
    assert bus.told == [1, 4, 5]
    await changes.aclose()


async def test_another_selector_holds_from_then_on() -> None:
    bus = FakeSubscriber(change(1, app="web"), change(2), change(3, app="web"), change(4))
    cursor = Cursor(bus.me, matches=WEB)
    changes = cursor.changes()
    assert rvs(await take(changes, 2)) == [1, 3]
    cursor.select(None)
    assert rvs(await take(changes, 1)) == [4]
    await changes.aclose()


async def test_a_lost_cursor_is_told() -> None:
    cursor = Cursor(FakeSubscriber(change(9), begun=3, first=7).me)
    with pytest.raises(CursorLost):
        await take(cursor.changes(), 1)


# A snapshot first


def everything(bus: FakeSubscriber, rv: int, *objects: Change) -> Cursor:
    async def snapshot() -> Snapshot:
        return Snapshot(rv, list(objects))

    return Cursor(bus.me, snapshot_first=True, take_snapshot=snapshot)


async def test_what_exists_comes_first_and_then_what_changed_behind_it() -> None:
    bus = FakeSubscriber(change(4), change(6), change(8), begun=3)
    cursor = everything(bus, 6, change(2, "old"), change(6, "new"))
    changes = cursor.snapshot_then_changes(fresh=False)
    assert rvs(await take(changes, 3)) == [2, 6, 8]
    await changes.aclose()


async def test_a_snapshot_is_done_when_all_of_it_is() -> None:
    bus = FakeSubscriber(change(4), change(8), change(9), begun=3)
    cursor = everything(bus, 7, change(2, "old"), change(6, "new"))
    changes = cursor.snapshot_then_changes(fresh=False)
    old, new, later = await take(changes, 3)
    assert not await cursor.acknowledge(old)
    await cursor.done(later)
    assert bus.acknowledged == bus.begun
    await cursor.done(new)
    assert bus.acknowledged == 8
    await changes.aclose()


async def test_a_process_that_dies_before_that_begins_with_the_snapshot_again() -> None:
    bus = FakeSubscriber(change(8), begun=3)
    objects = (change(2, "old"), change(6, "new"))
    first = everything(bus, 7, *objects).snapshot_then_changes(fresh=False)
    assert rvs(await take(first, 3)) == [2, 6, 8]
    await first.aclose()
    cursor = everything(bus, 7, *objects)
    second = cursor.snapshot_then_changes(fresh=False)
    found = await take(second, 2)
    assert rvs(found) == [2, 6]
    assert not await cursor.acknowledge(found[1])  # the snapshot ends at 7
    assert rvs(await take(second, 1)) == [8]
    assert bus.acknowledged == 7
    await second.aclose()
    third = everything(bus, 99).snapshot_then_changes(fresh=False)
    assert rvs(await take(third, 1)) == [8]
    await third.aclose()


async def test_a_snapshot_of_nothing_is_done_at_once() -> None:
    bus = FakeSubscriber(change(7), change(8), begun=3)
    changes = everything(bus, 7).snapshot_then_changes(fresh=False)
    assert rvs(await take(changes, 1)) == [8]
    assert bus.acknowledged == 7
    await changes.aclose()


async def test_whoever_says_so_begins_with_a_snapshot_also_after_retention_passed() -> None:
    bus = FakeSubscriber(change(20), change(21), begun=3, first=15)
    bus.acknowledged = 10
    cursor = everything(bus, 20, change(18))
    with pytest.raises(CursorLost):
        await take(cursor.snapshot_then_changes(fresh=False), 1)
    changes = cursor.snapshot_then_changes(fresh=True)
    assert rvs(await take(changes, 2)) == [18, 21]
    await changes.aclose()


async def test_a_snapshot_that_could_not_be_noted_is_noted_later() -> None:
    bus = FakeSubscriber(change(8), change(9), begun=3)
    cursor = everything(bus, 7, change(2))
    changes = cursor.snapshot_then_changes(fresh=False)
    bus.away = True
    await cursor.done((await take(changes, 1))[0])
    assert rvs(await take(changes, 1)) == [8]
    assert bus.acknowledged == bus.begun
    bus.away = False
    bus.lose_connection()
    assert rvs(await take(changes, 1)) == [9]
    assert bus.acknowledged == 7
    await changes.aclose()


async def test_nobody_takes_a_snapshot_where_none_can_be_taken() -> None:
    cursor = Cursor(FakeSubscriber(begun=3).me, snapshot_first=True)
    with pytest.raises(ValueError, match="snapshot"):
        await take(cursor.snapshot_then_changes(fresh=False), 1)


@given(
    sequences=st.sets(st.integers(1, 30), min_size=1, max_size=12),
    choices=st.lists(st.sampled_from(["take", "done", "acknowledge", "lose", "crash", "away", "back"]), max_size=40),
    data=st.data(),
)
def test_nothing_is_missed_and_nothing_comes_after_its_acknowledgement(
    sequences: set[int], choices: list[str], data: st.DataObject
) -> None:
    asyncio.run(_live(sorted(sequences), choices, data))


async def _live(sequences: list[int], choices: list[str], data: st.DataObject) -> None:
    bus = FakeSubscriber(*(change(rv) for rv in sequences))
    finished: set[int] = set()
    confirmed = 0
    cursor = Cursor(bus.me)
    changes = cursor.changes()
    hand: list[Change] = []
    for choice in choices:
        if choice == "take":
            expected = [rv for rv in sequences if rv > max([confirmed, *rvs(hand), *(finished)], default=0)]
            if expected:
                found = (await take(changes, 1))[0]
                assert found.rv > confirmed
                hand.append(found)
        elif choice == "done" and hand:
            one = hand.pop(data.draw(st.integers(0, len(hand) - 1)))
            finished.add(one.rv)
            await cursor.done(one)
        elif choice == "acknowledge" and hand:
            one = hand[data.draw(st.integers(0, len(hand) - 1))]
            finished.update(other.rv for other in hand if other.rv <= one.rv)
            hand = [other for other in hand if other.rv > one.rv]
            if await cursor.acknowledge(one):
                confirmed = max(confirmed, one.rv)
        elif choice == "lose":
            bus.lose_connection()
        elif choice in ("away", "back"):
            bus.away = choice == "away"
        elif choice == "crash":
            await changes.aclose()
            hand, cursor = [], Cursor(bus.me)
            finished = {rv for rv in finished if rv <= bus.acknowledged}
            changes = cursor.changes()
        assert all(rv in finished for rv in sequences if rv <= bus.acknowledged)
    await changes.aclose()
