"""A Subscription as it is read: with its progress of this moment, not of its last checkpoint.

Consumers are asked when somebody reads, and for a list all in pages; answers are good for `GOOD_SECONDS`, so a table
that is refreshed by many costs one look. While the bus is away, the checkpoint is what can be told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog

from apiserver.subscriptions import spec
from apiserver.subscriptions.progress import progress_of, status_of
from broker import consumer
from broker.connection import Connection
from broker.consumer import ConsumerState
from broker.errors import BusError, ConsumerMissing
from broker.stream import StreamState, state

log = structlog.get_logger(__name__)

GOOD_SECONDS = 0.5
FEW = 4
"""Up to so many Subscriptions are asked for one by one."""


class LiveStatus:
    """`fill` puts the present status into objects, as JSON in and out."""

    def __init__(self, connection: Connection, sightings: Mapping[str, datetime]) -> None:
        """`sightings`: when each consumer was last seen to be waited on, as the keeper notes it."""
        self._connection = connection
        self._sightings = sightings
        self._all: dict[str, ConsumerState] = {}
        self._until = 0.0
        self._turn = asyncio.Lock()

    async def fill(self, raws: Sequence[bytes]) -> list[bytes]:
        if not raws or not self._connection.connected:
            return list(raws)
        objects = [orjson.loads(raw) for raw in raws]
        try:
            stream = await state(self._connection)
            found = await self._states([spec.read(obj).consumer for obj in objects])
        except BusError as err:
            log.info("the checkpoints are told, the bus is away", reason=str(err))
            return list(raws)
        return [orjson.dumps(self._filled(obj, found, stream)) for obj in objects]

    async def _states(self, names: Sequence[str]) -> dict[str, ConsumerState]:
        if len(names) <= FEW:
            states = [await self._one(name) for name in names]
            return {one.name: one for one in states if one is not None}
        loop = asyncio.get_running_loop()
        async with self._turn:
            if loop.time() >= self._until:
                self._all = {one.name: one async for one in consumer.every(self._connection)}
                self._until = loop.time() + GOOD_SECONDS
        return self._all

    async def _one(self, name: str) -> ConsumerState | None:
        try:
            return await consumer.find(self._connection, name)
        except ConsumerMissing:
            return None

    def _filled(self, obj: dict[str, Any], found: Mapping[str, ConsumerState], stream: StreamState) -> dict[str, Any]:
        wanted = spec.read(obj)
        consumer_state = found.get(wanted.consumer)
        now, sighted = datetime.now(UTC), self._sightings.get(wanted.consumer)
        progress = progress_of(wanted, consumer_state, stream, now, sighted=sighted) if consumer_state else None
        return {**obj, "status": status_of(obj, progress, now, why="The consumer is not there yet.")}
