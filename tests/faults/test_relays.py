"""Two API servers, each with a relay and a cache, on one record and one stream."""

from __future__ import annotations

import asyncio
import signal

from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.load import Load
from tests.faults.watching import Watching


async def test_two_servers_under_load_make_one_stream_without_gap_or_copy(pair: Cluster) -> None:
    load = Load(pair.places)
    one, two = (Watching.configmaps([place], after=pair.record().rv) for place in pair.places)
    async with one.running(), two.running():
        async with load.running():
            await load.acknowledged(1500)
        await verify(pair, load.history, one, two)


async def test_the_other_server_publishes_what_a_dead_one_had_committed(pair: Cluster) -> None:
    first, second = pair.servers
    first.stop()
    first.arm("before-publish:30")
    second.stop()  # gives the lease back
    first.start()
    second.start()
    load = Load(pair.places)
    watching = Watching.configmaps(pair.places, after=pair.record().rv)
    async with watching.running():
        async with load.running():
            assert await asyncio.to_thread(first.wait_dead) == -signal.SIGKILL
            await load.acknowledged(300)
        await verify(pair, load.history, watching)


async def test_a_watch_resumed_on_the_other_server_misses_nothing(pair: Cluster) -> None:
    """Again and again a server is killed, so the watcher goes on at the other one, which may be behind."""
    load = Load(pair.places)
    watching = Watching.configmaps(pair.places, after=pair.record().rv)
    async with watching.running():
        async with load.running():
            for server in (*pair.servers, *pair.servers):
                await load.acknowledged(100)
                begun = watching.beginnings
                await asyncio.to_thread(server.restart)
                await load.acknowledged(100)
                assert watching.beginnings >= begun
        await verify(pair, load.history, watching)
    assert watching.beginnings > 2


async def test_a_relay_that_was_stopped_and_goes_on_does_no_harm(pair: Cluster) -> None:
    """The one that has the lease is stopped for longer than the lease, as by a partition or a pause of its machine."""
    first, second = pair.servers
    load = Load([pair.place(second)])
    watching = Watching.configmaps([pair.place(second)], after=pair.record().rv)
    other = Watching.configmaps([pair.place(first)], after=pair.record().rv)
    async with watching.running(), other.running():
        async with load.running():
            await load.acknowledged(200)
            first.signal(signal.SIGSTOP)
            await load.acknowledged(100)
            await watching.reached(pair.record().rv)  # the second server's relay publishes now
            first.signal(signal.SIGCONT)
            await load.acknowledged(200)
        await verify(pair, load.history, watching, other)


async def test_two_relays_that_both_work_make_one_stream_without_gap_or_copy(pair: Cluster) -> None:
    """The lease is taken away again and again, so that both servers publish at the same time."""
    load = Load(pair.places)
    watching = Watching.configmaps(pair.places, after=pair.record().rv)

    async def rob() -> None:
        while True:
            pair.drop_lease()
            await asyncio.sleep(0.02)

    async with watching.running():
        async with load.running():
            robbing = asyncio.create_task(rob())
            await load.acknowledged(1000)
            robbing.cancel()
            await asyncio.gather(robbing, return_exceptions=True)
        await verify(pair, load.history, watching)
