"""Watches that begin further back than the window: history from the stream, and the seam to what is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from apiserver.cache import CacheSettings
from apiserver.cache.feed import Published
from apiserver.watch import View, history
from broker.errors import BusUnavailable
from broker.stream import state
from tests.conftest import eventually
from tests.integration.cache.plane import Plane, labelled, number, short
from tests.integration.store.commits import CONFIGMAPS, commit_of
from tests.servers import Nats, Redis

SMALL = CacheSettings(window_changes=5)


class HeldCache:
    """A cache that hears of no change until it is let go."""

    def __init__(self, plane: Plane) -> None:
        self._cache = plane.cache
        self._held: list[Published] = []
        self._apply = plane.cache.apply
        plane.cache.apply = self._hold  # type: ignore[method-assign]

    def _hold(self, changes: Sequence[Published]) -> None:
        self._held += changes

    def let_go(self) -> None:
        self._cache.apply = self._apply  # type: ignore[method-assign]
        self._apply(self._held)


async def _reaches(plane: Plane, rv: int) -> bool:
    return (await state(plane.connection)).last >= rv


async def test_history_that_reads_ahead_of_the_cache_shows_no_change_twice(
    redis_server: Redis, nats_server: Nats
) -> None:
    """The replay and the cache read the stream each for itself: a server that has just started is often behind."""
    async with Plane(redis_server, nats_server, cache=SMALL).running() as plane:
        await plane.write(*(commit_of(f"a{i}") for i in range(20)))
        held = HeldCache(plane)
        for i in range(20, 30):
            await plane.store.commit(commit_of(f"a{i}"))
        await eventually(lambda: _reaches(plane, 30), what="all of them in the stream")
        frames = await plane.watch(after_rv=1)
        # How far it reads ahead is up to how the broker delivers; so much does not need the cache.
        seen = [number(frame) for frame in await frames.take(19)]
        reading = asyncio.create_task(frames.until(31))
        await asyncio.sleep(0)  # now it looks for what follows
        held.let_go()
        await plane.write(commit_of("last"))
        seen += [number(frame) for frame in await reading]
        assert seen == list(range(2, 32))
        await frames.close()


async def test_history_whose_bus_goes_away_within_a_batch_shows_each_change_once(
    redis_server: Redis, nats_server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Plane(redis_server, nats_server, cache=SMALL).running() as plane:
        for i in range(6):
            await plane.write(commit_of(f"a{i}", labels={"x": "1"}))
        for i in range(6):
            await plane.write(commit_of(f"a{i}", rv=i + 1, labels={"x": "1"}, data="new"))
        real, asked = history.last_change, 0

        async def breaks_once(*args: Any, **options: Any) -> Any:
            nonlocal asked
            asked += 1
            if asked == 4:
                raise BusUnavailable("gone")
            return await real(*args, **options)

        monkeypatch.setattr(history, "last_change", breaks_once)
        frames = await plane.watch(View(CONFIGMAPS, match=labelled(x="1")), after_rv=6)
        assert [short(frame) for frame in await frames.take(6)] == [("MODIFIED", f"a{i}", i + 7) for i in range(6)]
        assert asked > 4
        await frames.close()


async def test_history_goes_over_into_live_changes_without_a_seam(redis_server: Redis, nats_server: Nats) -> None:
    """Writers go on while watchers begin at all places of the past."""
    async with Plane(redis_server, nats_server, cache=SMALL).running() as plane:
        await plane.write_many(f"a{i}" for i in range(100))

        async def write() -> None:
            for i in range(200):
                await plane.store.commit(commit_of(f"b{i}"))

        writing = asyncio.create_task(write())
        watchers = []
        for after in range(1, 100, 7):
            watchers.append((after, await plane.watch(after_rv=after)))
            await asyncio.sleep(0)
        await writing
        for after, frames in watchers:
            assert [number(frame) for frame in await frames.until(300)] == list(range(after + 1, 301))
            await frames.close()
        await eventually(lambda: plane.hub.watchers == 0)
