"""Two API servers, each with a relay, on one record and one stream."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.load import CONFIGMAPS, Load
from tests.faults.watching import Watching


async def test_two_servers_under_load_make_one_stream_without_gap_or_copy(tmp_path: Path) -> None:
    with Cluster(tmp_path, servers=2) as cluster:
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places)
        one, two = (Watching(CONFIGMAPS, [place], after=cluster.record().rv) for place in cluster.places)
        async with one.running(), two.running():
            async with load.running():
                await load.acknowledged(1500)
            await verify(cluster, load.history, one, two)
