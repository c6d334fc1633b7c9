"""What retention takes away is told, and what it only seems to take away is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from apiserver.subscriptions import progress
from broker import consumer, subscriber
from broker.stream import state
from broker.subscriber import CursorLost, Subscriber
from tests.conftest import eventually
from tests.integration.rest.client import Client, config_map
from tests.integration.subscriptions.bus import (
    CONFIG_MAPS,
    Bus,
    condition,
    granted,
    listener,
    read_subscription,
    row,
    rvs,
    subscribe,
    take,
    wait_until,
    write,
)

SERVICES = {"group": "", "resource": "services"}
KEPT_BYTES = 60_000
SIZE = 2_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    """A stream that keeps some tens of changes."""
    with Bus(tmp_path_factory.mktemp("small"), stream_max_bytes=KEPT_BYTES) as bus:
        yield bus


@pytest.fixture
def client(small: Bus) -> Iterator[Client]:
    client = small.client()
    yield client
    client.close()


def fill(api: Client, prefix: str) -> None:
    """Push everything of before out of the stream."""
    write(api, "default", 2 * KEPT_BYTES // SIZE, prefix=f"{prefix}-filler-", size=SIZE)


async def test_a_subscriber_that_retention_has_passed_is_expired_and_told(small: Bus, client: Client) -> None:
    subscribe(client, "passed")
    told = granted(client, "passed")
    written = write(client, "default", 3, prefix="passed")
    async with listener(told) as connection:
        await take(connection, "passed", 3, acknowledge=-1)
    fill(client, "passed")
    wait_until(lambda: condition(client, "passed", "Expired") == "True", what="Expired")
    assert row(client, "passed")["State"] == "Expired"
    assert condition(client, "passed", "Ready") == "True"
    assert read_subscription(client, "passed")["status"]["acknowledged"] == written[-1]
    async with listener(told) as connection:
        with pytest.raises(CursorLost):
            await take(connection, "passed", 1)
        # The way out: a snapshot, and on from there.
        snapshot = client.get("/api/v1/configmaps")
        behind = int(snapshot.rv)
        await Subscriber(connection, name="passed", filters=[]).begin(behind)
        after = write(client, "default", 1, prefix="passed-after")
        assert rvs(await take(connection, "passed", 1, acknowledge=-1)) == after
    wait_until(lambda: condition(client, "passed", "Expired") == "False", what="not Expired")
    assert row(client, "passed")["State"] == "Ready"


async def test_one_that_begins_before_what_is_kept_is_expired_from_the_start(small: Bus, client: Client) -> None:
    written = write(client, "default", 1, prefix="begun")
    fill(client, "begun")
    subscribe(client, "begun", start={"resourceVersion": str(written[0] - 1)})
    wait_until(lambda: condition(client, "begun", "Expired") == "True", what="Expired")
    assert read_subscription(client, "begun")["status"]["acknowledged"] == written[0] - 1
    async with listener(granted(client, "begun")) as connection:
        with pytest.raises(CursorLost):
            await take(connection, "begun", 1)


async def test_one_who_takes_a_snapshot_first_has_lost_nothing_before_that(small: Bus, client: Client) -> None:
    made = subscribe(client, "everything", start={"from": "Everything"})
    begun = int(made["status"]["startResourceVersion"])
    fill(client, "everything")
    wait_until(lambda: read_subscription(client, "everything")["status"]["lag"] > 0, what="changes")
    status = read_subscription(client, "everything")["status"]
    assert (status["acknowledged"], condition(client, "everything", "Expired")) == (begun, "False")
    async with listener(granted(client, "everything")) as connection:
        reader = Subscriber(connection, name="everything", filters=[])
        found = await reader.ensure()
        assert (found.untouched, found.cursor) == (True, begun)
        snapshot = int(client.get("/api/v1/configmaps").rv)
        await reader.begin(snapshot)
        found = await reader.ensure()
        assert (found.untouched, found.cursor, found.lost) == (False, snapshot, False)


async def test_a_subscriber_of_what_hardly_changes_is_not_passed(small: Bus, client: Client) -> None:
    """JetStream leaves its cursor at the last change that it took; it has missed nothing since."""
    fill(client, "equal")  # changes of one size leave the stream one by one, as it grows
    subscribe(client, "rare", SERVICES)
    told = granted(client, "rare")
    async with small.owner() as owner:

        async def is_far_from_the_edge() -> bool:
            """As far as is promised: a cursor beyond the oldest quarter is left where it is."""
            found, stream = await consumer.find(owner, "rare"), await state(owner)
            return found.acknowledged >= progress.edge_of(stream)

        for number in range(12):
            await asyncio.to_thread(write, client, "default", 3, prefix=f"rare-{number}-", size=SIZE)
            await eventually(is_far_from_the_edge, timeout_seconds=40, what="the cursor moved on")
    assert condition(client, "rare", "Expired") == "False"
    made = client.make(
        "/api/v1/namespaces/default/services", {"metadata": {"name": "rare"}, "spec": {"ports": [{"port": 80}]}}
    )
    async with listener(told) as connection:
        assert rvs(await take(connection, "rare", 1)) == [int(made["metadata"]["resourceVersion"])]


async def test_changes_that_died_in_somebodys_hands_are_missed_when_retention_takes_them(
    small: Bus, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JetStream takes a delivered change that it removes for acknowledged: without care, nobody would know."""
    monkeypatch.setattr(progress, "HELD_AT_MOST", timedelta(0))
    monkeypatch.setattr(progress, "HELD_AT_THE_EDGE", timedelta(0))
    subscribe(client, "held", CONFIG_MAPS)
    told = granted(client, "held")
    written = write(client, "default", 20, prefix="held")
    async with listener(told) as connection:
        await take(connection, "held", 20, acknowledge=written[4])
    async with small.owner() as owner:

        async def is_released() -> bool:
            return (await consumer.find(owner, "held")).unacknowledged == 0

        await eventually(is_released, what="the deliveries taken back")
        fill(client, "held")
        assert (await consumer.find(owner, "held")).acknowledged == written[4]
    wait_until(lambda: condition(client, "held", "Expired") == "True", what="Expired")
    async with listener(told) as connection:
        with pytest.raises(CursorLost):
            await take(connection, "held", 1)


async def test_a_reader_that_is_overtaken_while_it_reads_is_told(
    small: Bus, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "GUARD_SECONDS", 0.2)
    subscribe(client, "slow", CONFIG_MAPS)
    write(client, "default", 5, prefix="slow")
    async with listener(granted(client, "slow")) as connection:
        reader = Subscriber(connection, name="slow", filters=[])
        with pytest.raises(CursorLost):
            await _read_slowly(reader, lambda: asyncio.to_thread(fill, client, "slow"))


async def _read_slowly(reader: Subscriber, meanwhile: Callable[[], Awaitable[None]]) -> None:
    seen = 0
    async with contextlib.aclosing(reader.changes()) as changes:
        async for _ in changes:
            seen += 1
            if seen == 3:
                await asyncio.sleep(2 * subscriber.GUARD_SECONDS)
                await meanwhile()


async def test_age_expires_a_cursor_too(tmp_path: Path) -> None:
    with Bus(tmp_path, stream_max_age_seconds=2) as bus:
        api = bus.client()
        subscribe(api, "aged")
        write(api, "default", 3)
        wait_until(lambda: condition(api, "aged", "Expired") == "True", what="Expired")
        assert row(api, "aged")["State"] == "Expired"
        api.make("/api/v1/namespaces/default/configmaps", config_map("late"))
        async with listener(granted(api, "aged")) as connection:
            with pytest.raises(CursorLost):
                await take(connection, "aged", 1)
        api.close()
