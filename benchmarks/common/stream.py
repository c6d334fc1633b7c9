"""How far the relay is: the end of the stream, asked again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from benchmarks.common.plane import Failed
from benchmarks.common.servers import HOST, Servers
from broker.connection import Connection
from broker.stream import state

LOOK_SECONDS = 0.005
PATIENCE_SECONDS = 60.0


class NotPublished(Failed):
    """The stream does not get what was committed."""


class StreamEnd:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def settled(self) -> int:
        """The last sequence, once nothing more comes."""
        last = -1
        while (now := (await state(self._connection)).last) != last:
            last = now
            await asyncio.sleep(10 * LOOK_SECONDS)
        return last

    async def reached(self, sequence: int) -> None:
        """Wait for a sequence. Raises NotPublished."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (await state(self._connection)).last < sequence:
            if time.monotonic() > deadline:
                raise NotPublished(f"change {sequence} is not in the stream after {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def stream_end(servers: Servers) -> AsyncIterator[StreamEnd]:
    url = f"nats://{HOST}:{servers.nats_port}?credentials={quote(str(servers.data.nats_credentials))}"
    async with Connection(url, name="benchmark").running() as connection:
        yield StreamEnd(connection)
