"""Subscriptions while parts are away, and after a broker came back without its disk."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from apiserver.subscriptions import keeper
from broker import consumer
from broker.errors import BusError
from tests.conftest import eventually
from tests.integration.rest.client import Client
from tests.integration.subscriptions.bus import (
    SUBSCRIPTIONS,
    Bus,
    Obj,
    ask,
    condition,
    granted,
    listener,
    read_subscription,
    rvs,
    subscribe,
    subscription,
    take,
    wait_for_checkpoint,
    wait_until,
    write,
)


async def test_a_broker_without_its_disk_hands_out_what_came_after_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "CHECKPOINT_SECONDS", 0.0)
    with Bus(tmp_path) as bus:
        api = bus.client()
        written = write(api, "default", 6)
        subscribe(api, "kept", start={"resourceVersion": str(written[0] - 1)})
        told = granted(api, "kept")
        async with listener(told) as connection:
            await take(connection, "kept", 4, acknowledge=written[2])
        wait_for_checkpoint(api, "kept", written[2])
        bus.nats.kill()
        bus.nats.lose_data()
        bus.nats.start()
        async with listener(told) as connection:
            assert rvs(await take(connection, "kept", 3, acknowledge=-1)) == written[3:]
        assert condition(api, "kept", "Expired") == "False"
        api.close()


def test_while_the_bus_is_away_the_checkpoint_is_told_and_what_was_asked_for_is_done_later(tmp_path: Path) -> None:
    with Bus(tmp_path) as bus:
        api = bus.client()
        subscribe(api, "early")
        subscribe(api, "doomed")
        bus.nats.kill()
        assert read_subscription(api, "early")["status"]["conditions"][0]["status"] == "True"
        assert api.delete(f"{SUBSCRIPTIONS}/doomed").status == 200
        assert "deletionTimestamp" in read_subscription(api, "doomed")["metadata"]
        late = {"apiVersion": "broker.backbeat.dev/v1", "kind": "Subscription", "metadata": {"name": "late"}}
        api.make(SUBSCRIPTIONS, {**late, "spec": {"resources": [{"resource": "configmaps"}]}})
        assert ask(api, "late").status == 201
        bus.nats.start()
        wait_until(lambda: condition(api, "late", "Ready") == "True", what="the late one")
        wait_until(lambda: api.get(f"{SUBSCRIPTIONS}/doomed").status == 404, what="the doomed one's end")
        api.close()


def version_of(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])


def _written_after(api: Client, name: str, version: int) -> int:
    """The newer version; 0 while there is none."""
    found = version_of(read_subscription(api, name))
    return found if found > version else 0


async def test_of_two_servers_one_keeps_and_the_other_takes_over(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        bus = stack.enter_context(Bus(tmp_path))
        second = bus.another_server()
        second.start()
        other = stack.enter_context(contextlib.closing(Client(second.port, second.tls, second.token())))
        with contextlib.closing(bus.client()) as first:
            created = version_of(first.make(SUBSCRIPTIONS, subscription("shared")))
            # Ready is told as of now, a moment before the keeper has written it down.
            written = wait_until(lambda: _written_after(other, "shared", created), what="the keeper's note")
            write(first, "default", 3)
            assert version_of(read_subscription(other, "shared")) == written
        bus.server.stop()
        bus.server = second
        async with bus.owner() as owner:
            await consumer.remove(owner, "shared")

            async def is_back() -> bool:
                with contextlib.suppress(BusError):
                    return bool(await consumer.find(owner, "shared"))
                return False

            await eventually(is_back, timeout_seconds=60, what="the consumer, by the second server")
        subscribe(other, "seconds")
