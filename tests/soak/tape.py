"""The stream, read all along: what was seen once stays known when the broker's disk is robbed.

Two readings of one number must be the same bytes: a number is used once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import nats.errors
import redis

from tests.faults.changes import Change
from tests.faults.cluster import Cluster, Message

READ_SECONDS = 0.5
AGAIN = 50
"""So many of the last messages are read again each time."""


class Tape:
    """`follow` reads until cancelled. `conflicts`: numbers that were read with different bytes."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._messages: dict[int, Message] = {}
        self._checked = 0
        self.conflicts: list[str] = []

    @property
    def last(self) -> int:
        return max(self._messages, default=self._checked)

    async def follow(self) -> None:
        while True:
            await self._read(max(self._checked, self.last - AGAIN))
            await asyncio.sleep(READ_SECONDS)

    async def _read(self, after: int) -> None:
        try:
            for message in await self._cluster.messages(after=after):
                self._take(message)
        except (TimeoutError, nats.errors.Error, OSError, AssertionError):
            return  # the broker is away, or was robbed while it was read: the next reading begins anew

    def _take(self, message: Message) -> None:
        known = self._messages.setdefault(message.number, message)
        if known != message:
            self.conflicts.append(f"number {message.number} was {known.body!r} and became {message.body!r}")

    async def stretch(self, up_to: int) -> Sequence[Change]:
        """Everything that was not checked yet, as it is on the stream now where it is there still. Waits until all of
        it is. Raises TimeoutError."""
        async with asyncio.timeout(90):
            while True:
                await self._read(self._checked)
                await self._take_outbox()
                if all(number in self._messages for number in range(self._checked + 1, up_to + 1)):
                    break
                await asyncio.sleep(READ_SECONDS)
        return [Change.of(self._messages[number]) for number in sorted(self._messages) if number <= up_to]

    async def _take_outbox(self) -> None:
        """What a disk lost before anybody read it, and the record still keeps."""
        try:
            for message in (await asyncio.to_thread(self._cluster.record)).outbox:
                if message.number > self._checked:
                    self._take(message)
        except redis.exceptions.RedisError:
            return

    def forget(self, up_to: int) -> None:
        """Everything up to there was checked."""
        self._checked = up_to
        self._messages = {number: one for number, one in self._messages.items() if number > up_to}

    def messages(self) -> Iterator[Message]:
        """For the report."""
        return iter([self._messages[number] for number in sorted(self._messages)])
