"""redis-server dies, stands still, or comes back with an old disk."""

from __future__ import annotations

import asyncio
import signal

from tests.conftest import eventually
from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.history import Outcome
from tests.faults.http1 import Answer
from tests.faults.load import CONFIGMAPS, Load
from tests.faults.watching import Watching

BEHIND = "which is beyond it: was a backup restored?"


async def test_a_redis_that_is_killed_under_load_loses_no_acknowledged_write(cluster: Cluster) -> None:
    load = Load(cluster.places, writers=24)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            for _ in range(3):
                await load.acknowledged(150)
                cluster.redis.kill()
                assert "the store is not available" in await load.refused(503)
                await asyncio.to_thread(cluster.redis.start)
            await load.acknowledged(300)
        await verify(cluster, load.history, watching)


async def test_a_redis_that_is_started_again_at_once_loses_no_acknowledged_write(pair: Cluster) -> None:
    load = Load(pair.places)
    watching = Watching.configmaps(pair.places, after=pair.record().rv)
    async with watching.running():
        async with load.running():
            for end in (pair.redis.stop, pair.redis.kill, pair.redis.stop, pair.redis.kill):
                await load.acknowledged(100)
                await asyncio.to_thread(end)
                await asyncio.to_thread(pair.redis.start)
            await load.acknowledged(100)
        await verify(pair, load.history, watching)


async def test_what_was_under_way_when_redis_stood_still_is_there_whole_or_not_at_all(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            await load.acknowledged(200)
            cluster.redis.signal(signal.SIGSTOP)
            await eventually(lambda: load.history.count(Outcome.UNKNOWN) > 0, timeout_seconds=60)
            cluster.redis.signal(signal.SIGCONT)
            await load.acknowledged(200)
        await verify(cluster, load.history, watching)


async def create(cluster: Cluster, name: str) -> Answer:
    client = cluster.client()
    try:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        return await client.request("POST", CONFIGMAPS, body)
    finally:
        client.close()


async def refuses(cluster: Cluster, name: str) -> None:
    """Writes are refused, for a reason that a user can act upon; /readyz says where it is, componentstatuses what."""
    answer = await create(cluster, name)
    assert answer.status == 503
    assert BEHIND in answer.message

    status, text = await asyncio.to_thread(cluster.server.readyz)
    assert (status, "[-]record failed" in text) == (500, True)
    client = cluster.client()
    component = (await client.request("GET", "/api/v1/componentstatuses/record")).json()
    assert BEHIND in component["conditions"][0]["message"]
    client.close()


async def test_a_redis_restored_from_an_old_copy_is_not_written_to(cluster: Cluster) -> None:
    """A number that was used may not be used again. With the right disk in its place, all goes on."""
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            await load.acknowledged(200)
        await asyncio.to_thread(cluster.redis.stop)
        older = cluster.copy_of(cluster.redis)
        await asyncio.to_thread(cluster.redis.start)
        async with load.again():
            await load.acknowledged(200)
        await verify(cluster, load.history, watching)

        await asyncio.to_thread(cluster.redis.stop)
        right = cluster.copy_of(cluster.redis)
        cluster.put_back(cluster.redis, older)
        await asyncio.to_thread(cluster.redis.start)
        restored = cluster.record().rv
        await refuses(cluster, "one")
        await asyncio.to_thread(cluster.server.restart, wait=False)
        await eventually(lambda: cluster.server.readyz()[0] != 0, timeout_seconds=60)
        await refuses(cluster, "two")
        assert cluster.record().rv == restored

        await asyncio.to_thread(cluster.redis.stop)
        cluster.put_back(cluster.redis, right)
        await asyncio.to_thread(cluster.redis.start)
        async with load.again():
            await load.acknowledged(100)
        await verify(cluster, load.history, watching)


async def test_an_empty_redis_behind_a_stream_is_not_written_to(cluster: Cluster) -> None:
    load = Load(cluster.places)
    async with load.running():
        await load.acknowledged(50)
    await cluster.settled()
    await asyncio.to_thread(cluster.redis.kill)
    cluster.lose(cluster.redis)
    await asyncio.to_thread(cluster.redis.start)
    await refuses(cluster, "one")
    assert cluster.record().rv == 0


async def test_a_restored_redis_is_not_written_to_while_nats_is_away(cluster: Cluster) -> None:
    """The server that has seen the stream knows better; one that has not waits until it can compare."""
    older = cluster.copy_of(cluster.redis)
    load = Load(cluster.places)
    async with load.running():
        await load.acknowledged(100)
    await cluster.settled()
    await asyncio.to_thread(cluster.redis.kill)
    cluster.nats.kill()
    cluster.put_back(cluster.redis, older)
    await asyncio.to_thread(cluster.redis.start)
    answer = await create(cluster, "one")
    assert (answer.status, BEHIND in answer.message) == (503, True)

    await asyncio.to_thread(cluster.server.restart, wait=False)
    await eventually(lambda: cluster.server.readyz()[0] != 0, timeout_seconds=60)
    answer = await create(cluster, "two")
    assert (answer.status, "while NATS is away" in answer.message) == (503, True)


async def test_writes_go_on_when_redis_comes_back_while_nats_is_away(cluster: Cluster) -> None:
    load = Load(cluster.places)
    watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
    async with watching.running():
        async with load.running():
            await load.acknowledged(100)
            cluster.nats.kill()
            await load.acknowledged(100)
            cluster.redis.kill()
            await asyncio.to_thread(cluster.redis.start)
            await load.acknowledged(100)
            await asyncio.to_thread(cluster.nats.start)
        await verify(cluster, load.history, watching)
