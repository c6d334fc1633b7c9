"""The API server dies where it hurts most, under load, and is started again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.load import Load
from tests.faults.watching import Watching


@pytest.mark.parametrize("point", ["after-commit:60", "before-publish:60", "before-trim:3"])
async def test_a_server_that_dies_under_load_loses_nothing_and_uses_no_number_twice(tmp_path: Path, point: str) -> None:
    settings = {"outbox_limit_entries": "1200"}  # so that little is kept behind, and trimming begins early
    with Cluster(tmp_path, settings=settings) as cluster:
        cluster.server.arm(point)
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places)
        watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
        async with watching.running():
            async with load.running():
                assert await asyncio.to_thread(cluster.server.wait_dead) == -signal.SIGKILL
                cluster.server.arm("")
                await asyncio.to_thread(cluster.server.start)
                await load.acknowledged(300)
            await verify(cluster, load.history, watching)


async def test_a_server_killed_at_any_moment_again_and_again_loses_nothing(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            for more in (50, 90, 130):
                await load.acknowledged(more)
                await asyncio.to_thread(cluster.server.restart)
            await load.acknowledged(100)
        await verify(cluster, load.history, watching)
