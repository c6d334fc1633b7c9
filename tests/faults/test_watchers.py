"""Watchers that are slow, stuck or many: the others notice nothing, and the server's memory stays bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psutil

from tests.conftest import eventually
from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.http1 import Place
from tests.faults.load import CONFIGMAPS, Load
from tests.faults.watching import Watching

MEGABYTE = 1024 * 1024
LAG_LIMIT = 4 * MEGABYTE
PADDING = 20_000
STUCK = 20


@contextlib.asynccontextmanager
async def stuck(place: Place, *, after: int) -> AsyncIterator[asyncio.StreamReader]:
    """A client that asks for a watch, reads how it begins and then nothing more."""
    reader, writer = await asyncio.open_connection(place.host, place.port, ssl=place.tls, limit=1024)
    try:
        writer.write(
            f"GET {CONFIGMAPS}?watch=1&resourceVersion={after} HTTP/1.1\r\nHost: a\r\n"
            f"Authorization: Bearer {place.token}\r\n\r\n".encode()
        )
        assert b" 200 " in await reader.readline()
        yield reader
    finally:
        writer.transport.abort()


def resident(cluster: Cluster) -> int:
    memory: int = psutil.Process(cluster.server.pid).memory_info().rss
    return memory


def connections(cluster: Cluster) -> int:
    return len(psutil.Process(cluster.server.pid).net_connections(kind="tcp"))


async def test_stuck_watchers_are_cut_off_and_cost_a_bounded_amount_of_memory(tmp_path: Path) -> None:
    settings = {"watch_lag_limit_bytes": str(LAG_LIMIT), "outbox_limit_entries": "2000"}
    with Cluster(tmp_path, settings=settings) as cluster:
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places, padding=PADDING)
        watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
        async with watching.running(), contextlib.AsyncExitStack() as stack:
            async with load.running():
                await load.acknowledged(100)  # what every part holds once it has worked
            before, after, others = resident(cluster), cluster.record().rv, connections(cluster)
            readers: Sequence[asyncio.StreamReader] = [
                await stack.enter_async_context(stuck(cluster.place(), after=after)) for _ in range(STUCK)
            ]
            assert connections(cluster) >= others + STUCK
            async with load.again():
                await load.acknowledged(1200)
            # 20 stuck clients and 24 MB each: they share what waits for them, and are dropped beyond the bound.
            await eventually(lambda: connections(cluster) <= others, timeout_seconds=30, what="all were dropped")
            assert resident(cluster) - before < 150 * MEGABYTE
            await verify(cluster, load.history, watching)
            assert watching.beginnings == 1
            assert all(reader.exception() is not None or not reader.at_eof() for reader in readers)


async def test_a_slow_watcher_sees_everything_in_order_and_holds_up_nobody(cluster: Cluster) -> None:
    load = Load(cluster.places, padding=PADDING)
    after = cluster.record().rv
    slow, quick = (Watching.configmaps(cluster.places, after=after) for _ in range(2))
    slow.pause_seconds = 0.005
    async with slow.running(), quick.running():
        async with load.running():
            await load.acknowledged(500)
        await quick.reached(cluster.record().rv)
        assert slow.rv < quick.rv
        await verify(cluster, load.history, slow, quick)
    assert slow.beginnings == 1
