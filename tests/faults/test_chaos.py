"""Faults of all kinds, one after the other and over each other, in an order that a seed chooses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.load import Load
from tests.faults.watching import Watching
from tests.servers import Process

SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1").split(",")]
STEPS = int(os.environ.get("CHAOS_STEPS", "12"))
"""Both may be set by whoever looks for trouble: `CHAOS_SEEDS=7,8 CHAOS_STEPS=40 pytest tests/faults/test_chaos.py`."""

Fault = Callable[[], Awaitable[None]]


class Chaos:
    """The faults. Each leaves all processes running, though perhaps not yet ready."""

    def __init__(self, cluster: Cluster, load: Load, choose: random.Random) -> None:
        self._cluster = cluster
        self._load = load
        self._choose = choose
        self.told: list[str] = []

    async def one(self) -> None:
        fault = self._choose.choice(
            [self.some, self.some, self.two, self.bus_away, self.lose_bus, self.lose_tail, self.drop_lease]
        )
        await fault()

    def _tell(self, what: str) -> None:
        self.told.append(what)

    async def some(self) -> None:
        cluster = self._cluster
        await self._hit(self._choose.choice([cluster.redis, cluster.nats, *cluster.servers]))

    async def two(self) -> None:
        """At the same time."""
        cluster = self._cluster
        victims: list[Process] = [cluster.redis, cluster.nats, *cluster.servers]
        await asyncio.gather(*(self._hit(victim) for victim in self._choose.sample(victims, 2)))

    async def _hit(self, process: Process) -> None:
        """Killed and started again, or stopped for a while."""
        seconds = self._choose.uniform(0.2, 4.0)
        if self._choose.random() < 0.6:
            self._tell(f"kill {process.log.stem}")
            await asyncio.to_thread(process.kill)
            await asyncio.to_thread(process.start)
        else:
            self._tell(f"stop {process.log.stem} for {seconds:.1f} s")
            process.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            process.signal(signal.SIGCONT)

    async def bus_away(self) -> None:
        self._tell("nats away, a server restarted meanwhile")
        nats = self._cluster.nats
        await self._load.acknowledged(20)  # so that this life of Redis was compared with the stream
        await asyncio.to_thread(nats.kill)
        await asyncio.to_thread(self._choose.choice(self._cluster.servers).restart)
        await self._load.acknowledged(50)
        await asyncio.to_thread(nats.start)

    async def lose_bus(self) -> None:
        nats = self._cluster.nats
        if self._cluster.record().outbox[0].number > 1:
            return  # more was written than the outbox keeps: what was trimmed would be gone for good
        self._tell("nats loses its disk")
        await asyncio.to_thread(nats.kill)
        nats.lose_data()
        await asyncio.to_thread(nats.start)

    async def lose_tail(self) -> None:
        self._tell("nats loses its tail")
        nats = self._cluster.nats
        await asyncio.to_thread(nats.stop)
        older = self._cluster.copy_of(nats)
        await asyncio.to_thread(nats.start)
        with contextlib.suppress(TimeoutError):
            await self._load.acknowledged(self._choose.randrange(10, 200), timeout_seconds=5)
        await asyncio.to_thread(nats.kill)
        self._cluster.put_back(nats, older)
        await asyncio.to_thread(nats.start)

    async def drop_lease(self) -> None:
        self._tell("the relay's lease is gone")
        self._cluster.drop_lease()


@pytest.mark.timeout(60 + 30 * STEPS)
@pytest.mark.parametrize("seed", SEEDS)
async def test_any_order_of_faults_leaves_one_stream_and_a_record_that_agree(tmp_path: Path, seed: int) -> None:
    choose = random.Random(seed)
    with Cluster(tmp_path, servers=2) as cluster:
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places, pause_seconds=0.02)
        chaos = Chaos(cluster, load, choose)
        after = cluster.record().rv
        one, two = (Watching.configmaps(places, after=after) for places in (cluster.places, cluster.places[::-1]))
        async with one.running(), two.running():
            try:
                async with load.running():
                    for _ in range(STEPS):
                        await chaos.one()
                        if choose.random() < 0.6:
                            await load.acknowledged(choose.randrange(5, 150))
                    await load.acknowledged(100)
                await verify(cluster, load.history, one, two)
            except (AssertionError, TimeoutError) as err:
                err.add_note("; ".join(chaos.told))
                raise
