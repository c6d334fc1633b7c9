"""A connection whose library, or whose server, does not do what one may expect."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import pytest

from broker.connection import Connection
from broker.errors import BusError
from tests.conftest import eventually
from tests.servers import Nats


class Deaf:
    """A client of the library that takes a cancellation for the end of its waiting, as `asyncio.wait_for` may."""

    is_connected = True

    async def publish(self, *_: Any, **__: Any) -> None:
        await self._swallow()

    request = subscribe = flush = publish

    async def _swallow(self) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return


@pytest.mark.parametrize("method", ["publish", "request", "subscribe", "flush"])
async def test_a_cancellation_ends_whatever_waits_for_the_library(method: str) -> None:
    """Or a relay would go on for ever, and its API server not end."""
    connection = Connection("nats://127.0.0.1:1", name="test")
    connection._client = Deaf()  # type: ignore[assignment]
    arguments = {"publish": ("a", b""), "request": ("a",), "subscribe": ("a", lambda _: None), "flush": ()}
    task = asyncio.create_task(getattr(connection, method)(*arguments[method]))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_stands_still_with_full_buffers_is_given_up_and_found_again(nats_server: Nats) -> None:
    async with Connection(nats_server.url, name="test").running() as connection:
        nats_server.signal(signal.SIGSTOP)
        generation = connection.generation
        for _ in range(30):
            await connection.publish("somewhere", b"x" * 1_000_000)  # more than any buffer on the way holds
        await eventually(lambda: not connection.connected, timeout_seconds=20, what="the watchdog")
        with pytest.raises(BusError):
            await connection.publish("somewhere", b"")
        nats_server.signal(signal.SIGCONT)
        await eventually(
            lambda: connection.connected and connection.generation > generation, timeout_seconds=20, what="back"
        )
        await connection.flush()


async def test_a_connection_ends_soon_although_its_server_stands_still(nats_server: Nats) -> None:
    async with Connection(nats_server.url, name="test").running() as connection:
        nats_server.signal(signal.SIGSTOP)
        for _ in range(30):
            await connection.publish("somewhere", b"x" * 1_000_000)
        started = time.monotonic()
    assert time.monotonic() - started < 5
