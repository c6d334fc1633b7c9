"""From the outbox to the stream: every committed change, once, in order, under its number.

Contract
  1. Message number n of the stream is the outbox entry with rv n, byte for byte. Each publish says which sequence the
     stream must end with (`Nats-Expected-Last-Sequence: n-1`), so a second relay, a repeated publish or a lost tail can
     never leave a gap or a copy: the broker refuses, and the relay looks where the stream ends and goes on from there.
  2. A change is trimmed from the outbox only when the stream has acknowledged it, and `margin` entries longer, so that
     a stream which lost its unsynced tail is filled up again.
  3. One relay works at a time (a lease); two at once are harmless by 1.
  4. Numbers are never reused: a stream that is ahead of the record makes the store refuse commits.

A crash between two steps: before publish, the next relay publishes; after publish and before the acknowledgement, it
finds the stream's end beyond and goes on; before trim, it trims.

The states, each a method: lease → align (stream and outbox) → follow (publish, trim, wait). Any surprise goes back to
align; any outage waits with back-off.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from broker.connection import Connection
from broker.crashpoints import CrashPoints, from_environment
from broker.errors import BusError, StreamMissing, WrongLastSequence
from broker.outbox import Outbox, OutboxUnavailable
from broker.publisher import Publisher
from broker.stream import Stream, StreamSettings, StreamState

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    window: int = 512
    """Publishes in flight, at most; the outbox hands out fewer where they are large."""
    margin: int = 10_000
    """Acknowledged entries that the outbox keeps, to refill a stream that lost its tail."""
    ack_timeout_seconds: float = 5.0
    lease_seconds: float = 2.0
    """How long watchers wait when a relay died. Short is safe: two relays at once do no harm."""
    check_seconds: float = 2.0
    """How often an idle relay looks whether the stream still ends where it left it."""
    wait_seconds: float = 1.0


class Relay:
    """`run` works until cancelled. `published_rv` is the last change that the stream has acknowledged."""

    def __init__(
        self,
        connection: Connection,
        outbox: Outbox,
        stream: StreamSettings,
        *,
        holder: str,
        settings: RelaySettings | None = None,
        crash_points: CrashPoints | None = None,
    ) -> None:
        self._connection = connection
        self._outbox = outbox
        self._stream = Stream(connection, stream)
        self._holder = holder
        self._settings = settings or RelaySettings()
        self._crash = crash_points or from_environment()
        self._leased_until = 0.0
        self._trimmed = 0
        self._checked = 0.0
        self.published_rv = 0
        self.state = "starting"

    @property
    def leading(self) -> bool:
        """Whether this relay is the one that publishes now."""
        return self.state == "publishing"

    async def run(self) -> None:
        pause = 0.05
        try:
            while True:
                try:
                    await self._work()
                    pause = 0.05
                except (BusError, OutboxUnavailable) as err:
                    self.state = "waiting"
                    log.info("relay waits", error=str(err), kind=type(err).__name__, retry_seconds=pause)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 1.0)
        finally:
            await self._give_back()

    async def _work(self) -> None:
        """Hold the lease and publish; returns when the lease or the alignment is lost."""
        if not await self._renew():
            self.state = "standby"
            await asyncio.sleep(self._settings.lease_seconds / 5)
            return
        await self._connection.wait_connected()
        position = await self._align()
        if position is None:
            return
        self.state = "publishing"
        async with Publisher(self._connection, ack_timeout_seconds=self._settings.ack_timeout_seconds) as publisher:
            await self._follow(publisher, position)

    async def _renew(self) -> bool:
        now = time.monotonic()
        if now < self._leased_until - self._settings.lease_seconds * 0.6:
            return True
        held = await self._outbox.acquire_lease(self._holder, ttl_seconds=self._settings.lease_seconds)
        self._leased_until = now + self._settings.lease_seconds if held else 0.0
        return held

    async def _give_back(self) -> None:
        if self._leased_until:
            self._leased_until = 0.0
            try:
                await asyncio.shield(self._outbox.release_lease(self._holder))
            except OutboxUnavailable as err:
                log.info("lease is left to expire", error=str(err))

    async def _align(self) -> int | None:
        """Where to publish from: the stream's last sequence. None while the record is behind the stream, or when the
        stream moves meanwhile: look again."""
        # NB: in this order. An outbox that is empty after `last` was read holds nothing up to it; one that was empty
        # before may hold what was committed since, and the stream would begin behind that.
        last = await self._outbox.last_rv()
        first = await self._outbox.first_rv()
        history = await self._outbox.history()
        try:
            state = await self._stream.state()
        except StreamMissing:
            state = await self._stream.create(first=first or last + 1, history=history)
        if state.last > last:
            last = await self._outbox.last_rv()  # another relay may have published what was committed meanwhile
        if state.last > last:
            await self._refuse(state, last)
            return None
        await self._stream.apply_settings(history=history)
        await self._outbox.report_stream(state.last)
        following = await self._following(state.last)
        if state.last + 1 < following:
            if (await self._stream.state()).last != state.last:
                return None  # another relay publishes, and trims what this one looks for
            state = await self._stream.recreate(first=following, history=history)
        self.published_rv = state.last
        self._checked = time.monotonic()
        return state.last

    async def _following(self, position: int) -> int:
        """The number that can be published behind `position`: a later one than the next where the outbox lacks some."""
        last = await self._outbox.last_rv()
        entries = await self._outbox.read(position, limit=1)
        return entries[0].rv if entries else max(last, position) + 1

    async def _refuse(self, state: StreamState, last: int) -> None:
        self.state = "record behind stream"
        await self._outbox.report_stream(state.last)
        log.error("the record is behind the stream: commits are refused", stream=state.last, record=last)
        await asyncio.sleep(self._settings.check_seconds)

    async def _follow(self, publisher: Publisher, position: int) -> None:
        """Publish whatever comes, until the lease goes, the stream moves, or somebody was faster."""
        while await self._renew():
            entries = await self._outbox.read(position, limit=self._settings.window)
            if not entries:
                if await self._moved(position):
                    return
                entries = await self._outbox.wait(position, timeout_seconds=self._settings.wait_seconds)
                if not entries:
                    continue
            if entries[0].rv != position + 1:
                return
            self._crash.reach("before-publish")
            try:
                await publisher.publish(entries)
            except WrongLastSequence:
                log.info("another relay published, or the stream lost its tail", position=position)
                return
            position = self.published_rv = entries[-1].rv
            await self._trim(position)

    async def _moved(self, position: int) -> bool:
        """While idle: is the stream still there, does it end where it was left, and does the record go on there?"""
        if time.monotonic() - self._checked < self._settings.check_seconds:
            return False
        self._checked = time.monotonic()
        if (await self._stream.state()).last != position or await self._outbox.last_rv() < position:
            return True
        return await self._following(position) != position + 1

    async def _trim(self, acknowledged: int) -> None:
        target = acknowledged - self._settings.margin
        if target - self._trimmed < max(1, self._settings.margin // 10):
            return
        self._crash.reach("before-trim")
        await self._outbox.trim(target)
        self._trimmed = target
