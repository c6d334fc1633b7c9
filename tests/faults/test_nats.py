"""nats-server is away, loses what it had, or stands still. The record goes on, and the stream follows when it can."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from tests.faults.checker import verify, verify_rest
from tests.faults.cluster import Cluster
from tests.faults.http1 import HttpConnection
from tests.faults.load import CONFIGMAPS, Load
from tests.faults.watching import Watching


async def list_is_current(cluster: Cluster, client: HttpConnection) -> None:
    """A LIST, as kubectl's, shows the record as it was when it was asked for, or later."""
    asked_at = cluster.record().rv
    answer = await client.request("GET", f"{CONFIGMAPS}?limit=500")
    assert answer.status == 200, answer.body
    listed = answer.json()
    assert int(listed["metadata"]["resourceVersion"]) >= asked_at
    for item in listed["items"][:3]:
        one = await client.request("GET", f"{CONFIGMAPS}/{item['metadata']['name']}")
        assert one.status in (200, 404), one.body


async def test_a_thousand_writes_without_nats_arrive_in_order_once_when_it_is_back(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    client = cluster.client()
    async with watching.running():
        async with load.running():
            await load.acknowledged(100)
            cluster.nats.kill()
            await load.acknowledged(1000)
            await list_is_current(cluster, client)
            await asyncio.to_thread(cluster.nats.start)
            await load.acknowledged(100)
        await verify(cluster, load.history, watching)
    client.close()


async def test_a_server_that_starts_without_nats_serves_reads_and_writes(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    client = cluster.client()
    async with watching.running():
        async with load.running():
            await load.acknowledged(100)
            cluster.nats.kill()
            await load.acknowledged(100)
            await asyncio.to_thread(cluster.server.restart)
            await load.acknowledged(200)
            await list_is_current(cluster, client)
            await asyncio.to_thread(cluster.nats.start)
        await verify(cluster, load.history, watching)
    client.close()


async def test_a_lost_data_directory_is_filled_again_with_the_same_numbers(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            await load.acknowledged(500)
            cluster.nats.kill()
            cluster.nats.lose_data()
            await load.acknowledged(100)
            await asyncio.to_thread(cluster.nats.start)
            await load.acknowledged(300)
        await verify(cluster, load.history, watching)


async def test_a_stream_lost_beyond_the_outbox_begins_anew_at_the_right_number(tmp_path: Path) -> None:
    with Cluster(tmp_path, settings={"outbox_limit_entries": "800"}) as cluster:
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places)
        async with load.running():
            await load.acknowledged(800)
            cluster.nats.kill()
            first = cluster.record().outbox[0].number
            assert first > 1
            cluster.nats.lose_data()
            await asyncio.to_thread(cluster.nats.start)
            await load.acknowledged(100)
        await verify_rest(cluster, first=first)


async def test_a_lost_unsynced_tail_is_filled_again_with_the_same_numbers(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            await load.acknowledged(200)
            await asyncio.to_thread(cluster.nats.stop)
            older = cluster.copy_of(cluster.nats)
            await asyncio.to_thread(cluster.nats.start)
            await watching.reached(cluster.record().rv)
            await load.acknowledged(400)
            await watching.reached(cluster.record().rv)
            cluster.nats.kill()
            cluster.put_back(cluster.nats, older)
            await asyncio.to_thread(cluster.nats.start)
            await load.acknowledged(200)
        await verify(cluster, load.history, watching)


async def test_a_tail_that_is_lost_while_nobody_writes_is_filled_again(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        await asyncio.to_thread(cluster.nats.stop)
        older = cluster.copy_of(cluster.nats)
        await asyncio.to_thread(cluster.nats.start)
        async with load.running():
            await load.acknowledged(300)
        await cluster.settled()
        cluster.nats.kill()
        cluster.put_back(cluster.nats, older)
        await asyncio.to_thread(cluster.nats.start)
        await verify(cluster, load.history, watching)


async def test_a_nats_that_stands_still_holds_up_nobody_who_reads_or_writes(cluster: Cluster) -> None:
    load = Load(cluster.places, padding=20_000)  # more than all buffers on the way hold
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    client = cluster.client()
    async with watching.running():
        async with load.running():
            await load.acknowledged(200)
            cluster.nats.signal(signal.SIGSTOP)
            await load.acknowledged(1000)
            await list_is_current(cluster, client)
            cluster.nats.signal(signal.SIGCONT)
            await load.acknowledged(100)
        await verify(cluster, load.history, watching)
    client.close()
