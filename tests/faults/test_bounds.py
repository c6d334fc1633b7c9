"""What is too much is refused before it is written, with the reason, and goes on when there is room again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import eventually
from tests.faults.checker import verify
from tests.faults.cluster import Cluster
from tests.faults.load import CONFIGMAPS, NAMESPACE, Load
from tests.faults.watching import Watching

PODTEMPLATES = f"/api/v1/namespaces/{NAMESPACE}/podtemplates"


async def test_an_outbox_that_is_full_refuses_writes_until_the_bus_is_back(tmp_path: Path) -> None:
    with Cluster(tmp_path, settings={"outbox_limit_entries": "600"}) as cluster:
        await asyncio.to_thread(cluster.start)
        load = Load(cluster.places)
        watching = Watching.configmaps(cluster.places, after=cluster.record().rv)
        client = cluster.client()
        async with watching.running():
            async with load.running():
                await load.acknowledged(800)  # with the bus there, the outbox never fills
                cluster.nats.kill()
                assert "too many changes wait for the bus: is NATS away?" in await load.refused(503)
                assert len(cluster.record().outbox) == 600
                status, text = await asyncio.to_thread(cluster.server.readyz)
                assert (status, "[-]outbox failed" in text) == (500, True)
                listed = await client.request("GET", CONFIGMAPS)
                assert int(listed.json()["metadata"]["resourceVersion"]) == cluster.record().rv
                await asyncio.to_thread(cluster.nats.start)
                await load.acknowledged(800)
            await verify(cluster, load.history, watching)
        client.close()

        async def ready() -> bool:
            return (await asyncio.to_thread(cluster.server.readyz))[0] == 200

        await eventually(ready, what="the server is ready again")


def large(name: str, size: int) -> dict[str, object]:
    """An object whose parts have no bound of their own."""
    metadata = {"name": name, "annotations": {"a": "x" * 1000}}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "a", "image": "i", "args": ["x" * size]}]}}
    return {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": template}


async def test_an_oversized_object_is_refused_before_it_is_written(cluster: Cluster) -> None:
    """By the size of the object, and by that of the request; the largest that is allowed passes the relay."""
    before = cluster.record().rv
    client = cluster.client()
    for size in (1_600_000, 4_000_000):
        answer = await client.request("POST", PODTEMPLATES, large("too-large", size))
        assert (answer.status, answer.json()["reason"]) == (413, "RequestEntityTooLarge"), answer.body[:300]
        client.close()
    assert cluster.record().rv == before
    answer = await client.request("POST", PODTEMPLATES, large("large", 1_500_000))
    assert answer.status == 201, answer.body[:300]
    load = Load(cluster.places, writers=2)
    async with load.running():
        await load.acknowledged(10)
    await cluster.settled()
    client.close()


async def test_an_object_that_nats_would_not_take_is_refused_before_it_is_written(tmp_path: Path) -> None:
    """A user's own nats-server may allow less than ours; such a change would stop the relay for ever."""
    with Cluster(tmp_path, max_payload=256 * 1024) as cluster:
        await asyncio.to_thread(cluster.start)
        before = cluster.record().rv
        client = cluster.client()
        answer = await client.request("POST", PODTEMPLATES, large("too-large", 300_000))
        assert (answer.status, answer.json()["reason"]) == (413, "RequestEntityTooLarge"), answer.body[:300]
        assert "max_payload" in answer.message
        assert cluster.record().rv == before
        answer = await client.request("POST", PODTEMPLATES, large("large", 200_000))
        assert answer.status == 201
        load = Load(cluster.places, writers=2)
        async with load.running():
            await load.acknowledged(10)
        await cluster.settled()
        client.close()
