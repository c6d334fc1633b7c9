"""The API server dies in the middle of a restore, or of a repair."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.cluster import Cluster
from tests.integration.rest.client import Client, config_map, path_of
from tests.servers import wait_until

CONFIGMAPS = path_of("default", "configmaps")
OBJECTS = 700
"""More than one batch of a repair or of a restored history."""


@contextmanager
def client_of(cluster: Cluster) -> Iterator[Client]:
    client = Client(cluster.server.port, cluster.server.ssl_context(), cluster.server.token)
    try:
        yield client
    finally:
        client.close()


def make_many(client: Client, names: list[str]) -> None:
    def some(part: list[str]) -> None:
        own = client.like()  # a connection serves one request at a time
        for name in part:
            own.make(CONFIGMAPS, config_map(name))
        own.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(some, [names[start::8] for start in range(8)]))


def told(client: Client, method: str, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = client.request(method, path, **query)
    assert answer.status == 200, answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def is_well(client: Client) -> bool:
    return bool(told(client, "GET", "/backbeat/doctor")[-1]["end"]["ok"])


def names(cluster: Cluster) -> set[str]:
    return {key.partition("/")[2] for resource, key in cluster.record().objects if resource == "/configmaps"}


async def dies(cluster: Cluster, method: str, path: str, body: bytes, **query: Any) -> None:
    with client_of(cluster) as client, pytest.raises((OSError, http.client.HTTPException)):
        client.request(method, path, body, **query)
    assert await asyncio.to_thread(cluster.server.wait_dead) == -signal.SIGKILL
    cluster.server.arm("")
    await asyncio.to_thread(cluster.server.start, wait=False)


@pytest.mark.parametrize("point", ["restore-aside", "restore-switched", "restore-history"])
async def test_a_server_that_dies_in_a_restore_leaves_the_old_record_or_the_new_one(tmp_path: Path, point: str) -> None:
    with Cluster(tmp_path / "one") as one:
        await asyncio.to_thread(one.start)
        with client_of(one) as client:
            make_many(client, [f"then-{n}" for n in range(OBJECTS)])
            await one.settled()
            backup = client.get("/backbeat/backup").body
        then = names(one)
    with Cluster(tmp_path / "two") as two:
        two.server.arm(point)
        await asyncio.to_thread(two.start)
        with client_of(two) as client:
            client.make(CONFIGMAPS, config_map("before"))
            before = two.record().rv
        await dies(two, "POST", "/backbeat/restore", backup, force="true")
        await asyncio.to_thread(two.server.wait_ready)
        assert names(two) == ({"before"} if point == "restore-aside" else then)
        with client_of(two) as client:
            made = client.make(CONFIGMAPS, config_map("after"))
            assert int(made["metadata"]["resourceVersion"]) > before
            await two.settled()
            wait_until(lambda: is_well(client), timeout_seconds=30, what="everything to be well")
            assert client.request("POST", "/backbeat/restore", backup, force="true").status == 200
            assert names(two) == then
            wait_until(lambda: is_well(client), timeout_seconds=30, what="everything to be well")


async def test_a_server_that_dies_in_a_repair_goes_on_with_it(cluster: Cluster) -> None:
    older = cluster.copy_of(cluster.redis)
    with client_of(cluster) as client:
        make_many(client, [f"c{n}" for n in range(OBJECTS)])
    await cluster.settled()
    right = cluster.record()
    await asyncio.to_thread(cluster.server.stop)
    await asyncio.to_thread(cluster.redis.kill)
    cluster.put_back(cluster.redis, older)
    await asyncio.to_thread(cluster.redis.start)
    cluster.server.arm("repair-applied:2")
    await asyncio.to_thread(cluster.server.start, wait=False)
    wait_until(lambda: cluster.server.readyz()[0] == 500, timeout_seconds=60, what="the server to answer")
    await dies(cluster, "POST", "/backbeat/repair", b"")
    half = cluster.record().rv
    assert half < right.rv
    wait_until(lambda: cluster.server.readyz()[0] == 500, timeout_seconds=60, what="the server to answer")
    with client_of(cluster) as client:
        assert client.post(CONFIGMAPS, config_map("not-yet")).status == 503
        assert told(client, "POST", "/backbeat/repair")[-1]["end"]["done"]
        wait_until(lambda: is_well(client), timeout_seconds=30, what="everything to be well")
        assert cluster.record().objects == right.objects
        assert int(client.make(CONFIGMAPS, config_map("now"))["metadata"]["resourceVersion"]) == right.rv + 1
