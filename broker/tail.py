"""Follow the stream without leaving a trace in it: for caches, watches and replays.

`tail` yields batches: everything that arrived since the last one was taken. Promised: in order, none twice, none left
out, across lost connections, restarts of the server and a stream that is being refilled. When that cannot be kept,
because what comes next is no longer in the stream, it raises StreamExpired.

The consumer is ephemeral and pushes without acknowledgements; the order is checked here, by the consumer's own
counting, and a gap or a missing heartbeat makes a new consumer behind the last change that was seen. nats-server's flow
control keeps what is in flight bounded, so a slow reader is not cut off.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import structlog

from broker import delivery, subjects
from broker.change import Change
from broker.connection import Connection, Message
from broker.errors import BusError, StreamExpired, StreamMissing
from broker.stream import StreamState, state

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.5
"""Without a message or a heartbeat for so long, the consumer is taken for lost."""
INACTIVE_SECONDS = 30
_MAX_PAUSE_SECONDS = 1.0


async def tail(
    connection: Connection, *, after: int, filters: Sequence[str] = (subjects.ALL,)
) -> AsyncGenerator[Sequence[Change], None]:
    """Every change after the sequence `after` that a filter selects. Raises StreamExpired."""
    position = after
    pause = 0.02
    while True:
        try:
            await connection.wait_connected()
            await _check(await state(connection), position)
            async with _Consumer(connection, position, filters) as consumer:
                async for batch in consumer.batches():
                    position = batch[-1].rv
                    pause = 0.02
                    yield batch
        except (BusError, _Lost) as err:
            if isinstance(err, StreamExpired):
                raise
            log.debug("tail starts over", position=position, reason=str(err), retry_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _MAX_PAUSE_SECONDS)


class _Lost(Exception):
    """The consumer cannot be trusted any more."""


async def _check(stream: StreamState, position: int) -> None:
    """A start before the first message is silently moved by the server: compare first."""
    if stream.first > position + 1:
        raise StreamExpired(position, stream.first)
    if stream.last < position:
        raise StreamMissing("the stream is behind: it is being refilled")


class _Consumer:
    """One ephemeral consumer and what it delivered."""

    def __init__(self, connection: Connection, position: int, filters: Sequence[str]) -> None:
        self._connection = connection
        self._position = position
        self._filters = list(filters)
        self._name = f"tail-{secrets.token_hex(8)}"
        self._batch: list[Change] = []
        self._arrived = asyncio.Event()
        self._expected = 1
        self._broken = ""
        self._replies: list[str] = []
        self._heard = 0.0

    async def __aenter__(self) -> _Consumer:
        inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(inbox, self._on_message)
        self._generation = self._connection.generation
        try:
            await self._connection.api(
                f"CONSUMER.CREATE.{subjects.STREAM}.{self._name}",
                {"stream_name": subjects.STREAM, "config": self._config(inbox)},
            )
        except BaseException:
            await self._subscription.unsubscribe()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._subscription.unsubscribe()
        if self._connection.connected:
            try:
                await asyncio.shield(
                    self._connection.publish(f"$JS.API.CONSUMER.DELETE.{subjects.STREAM}.{self._name}", b"")
                )
            except BusError:
                log.debug("consumer is left to expire", consumer=self._name)

    def _config(self, inbox: str) -> dict[str, object]:
        config: dict[str, object] = {
            "name": self._name,
            "deliver_subject": inbox,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._position + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
            "inactive_threshold": INACTIVE_SECONDS * 1_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
        }
        if len(self._filters) == 1:
            config["filter_subject"] = self._filters[0]
        else:
            config["filter_subjects"] = self._filters
        return config

    def _on_message(self, message: Message) -> None:
        self._heard = asyncio.get_running_loop().time()
        if message.status:
            self._on_notice(message)
        elif not self._broken:
            self._on_change(message)
        self._arrived.set()

    def _on_notice(self, message: Message) -> None:
        """Heartbeats carry what was delivered; a flow-control request wants an answer."""
        headers = message.headers or {}
        if message.status != "100":
            self._broken = f"{message.status} {headers.get('Description', '')}"
            return
        reply = message.reply or headers.get("Nats-Consumer-Stalled", "")
        if reply:
            self._replies.append(reply)
        delivered = headers.get("Nats-Last-Consumer")
        if delivered is not None and int(delivered) >= self._expected:
            self._broken = f"delivered {delivered}, seen {self._expected - 1}"

    def _on_change(self, message: Message) -> None:
        told = delivery.read(message.reply)
        if told.consumer_sequence != self._expected:
            self._broken = f"delivery {told.consumer_sequence} came for {self._expected}"
            return
        if told.stream_sequence <= self._position:
            # The stream went back under the consumer: it lost its tail, and what is refilled was seen before.
            self._broken = f"change {told.stream_sequence} came after {self._position}"
            return
        self._expected += 1
        self._position = told.stream_sequence
        self._batch.append(delivery.change_of(message, told))

    async def batches(self) -> AsyncIterator[Sequence[Change]]:
        """Raises _Lost when the consumer is gone or skipped something."""
        loop = asyncio.get_running_loop()
        self._heard = loop.time()
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._arrived.wait()
            except TimeoutError as err:
                raise _Lost("no sign of life") from err
            self._arrived.clear()
            batch, self._batch = self._batch, []
            if batch:
                yield batch
            await self._answer_flow_control()
            if self._broken:
                raise _Lost(self._broken)

    async def _answer_flow_control(self) -> None:
        """Only after the batch was taken: the server sends on as fast as the reader reads."""
        replies, self._replies = self._replies, []
        for reply in replies:
            await self._connection.publish(reply, b"")
