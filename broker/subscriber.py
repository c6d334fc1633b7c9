"""The durable subscriber: a cursor in the stream that outlives its process.

Delivery contract
  1. Changes that match the filters arrive in order of their resourceVersions.
  2. `acknowledge(rv)` says that everything delivered up to rv is done. It is cumulative, cheap and may be lost: then
     some changes come again.
  3. After a crash, a restart or a lost connection, delivery resumes right behind the last acknowledgement that the
     broker has: every change that was not acknowledged comes again, in order, and the subscriber MUST bear repeats.
     Within one process the Watermark recognises those that are still in hand.
  4. When the broker can no longer keep this (retention passed the cursor, the stream was made anew, the consumer was
     removed), `ensure` says `lost`, and so does the exception CursorLost from `changes`. Never is a change left out
     silently. A reader that is so slow that retention overtakes it is told within two `GUARD_SECONDS`.
  5. When another history is put in place of this one (a backup was restored), HistoryReplaced is raised: what was read
     before counts no more, and the process should begin anew.

A crash between delivery and acknowledgement repeats; a crash between the work and its acknowledgement repeats; nothing
skips. (A crash within those seconds in which retention overtook it is the exception: JetStream takes a change that it
removes for acknowledged.)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from broker import consumer, delivery, subjects
from broker.change import Change
from broker.connection import REQUEST_TIMEOUT_SECONDS, Connection, Message
from broker.crashpoints import CrashPoints, from_environment
from broker.errors import (
    BusError,
    BusUnavailable,
    ConsumerMissing,
    HistoryReplaced,
    NodeUnreachable,
    StreamMissing,
)
from broker.stream import StreamState, known, state, told_state

log = structlog.get_logger(__name__)

BATCH = 500
EXPIRES_SECONDS = 30.0
HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 3.5
PROVE_SECONDS = 2.0
GUARD_SECONDS = 30.0
LISTENER_TIMEOUT_SECONDS = 2.0


class CursorLost(Exception):
    """The changes behind the cursor are not all there any more. Take a snapshot and `begin` at its resourceVersion."""


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """`cursor`: the last acknowledged sequence. `created`: there was no consumer of this name before. `untouched`:
    nothing was acknowledged since `begin` put the cursor there, so what the snapshot asked for may not be done."""

    cursor: int
    created: bool
    lost: bool
    untouched: bool = False


def is_lost(cursor: int, stream: StreamState, covered: int = 0) -> bool:
    """Changes behind the cursor, and behind what is covered, are gone. Raises StreamMissing while the stream is behind
    the cursor: it lost its end, or all, and is being refilled."""
    if cursor > stream.last:
        raise StreamMissing(f"the stream ends at {stream.last}, before {cursor}: it is being refilled")
    return max(cursor, covered) + 1 < stream.first


class Subscriber:
    """One durable pull consumer with acknowledge-all. One process reads it at a time.

    Without `filters` it takes what the consumer selects; with them, whoever may manage consumers sees to it that the
    consumer selects that.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        name: str,
        filters: Sequence[str] | None = None,
        crash_points: CrashPoints | None = None,
    ) -> None:
        self._connection = connection
        self._name = name
        self._filters = list(filters) if filters is not None else None
        self._crash = crash_points or from_environment()
        self._unacknowledged: deque[tuple[int, str]] = deque()
        self._cursor = 0
        self._confirmed = 0
        self._covered = 0
        self._unproven: int | None = None
        self.attached = False
        """The broker hands changes out to this process now."""

    @property
    def cursor(self) -> int:
        """The last sequence that was acknowledged, as far as this process knows."""
        return self._cursor

    async def ensure(self) -> SubscriptionState:
        """Look for the consumer of this name. `lost` or `created` ask for `begin`. Raises BusError."""
        stream = await self.stream_state()
        try:
            info = await self._rewind() if self._connection.listener else await self._info()
        except ConsumerMissing:
            return SubscriptionState(cursor=0, created=True, lost=False)
        begun = info["config"].get("opt_start_seq", 1) - 1
        cursor = max(info["ack_floor"]["stream_seq"], begun)
        lost = stream is not None and is_lost(cursor, stream, self._covered)
        self._cursor = cursor
        self._unproven = cursor if stream is None else None
        if (
            not lost
            and not self._connection.listener
            and self._filters is not None
            and sorted(consumer.filters_of(info["config"])) != sorted(self._filters)
        ):
            await self.begin(cursor)
        return SubscriptionState(cursor=cursor, created=False, lost=lost, untouched=cursor == begun)

    async def _info(self) -> dict[str, Any]:
        return await self._connection.api(f"CONSUMER.INFO.{subjects.STREAM}.{self._name}")

    async def _rewind(self) -> dict[str, Any]:
        """Have everything behind the last acknowledgement delivered once more. Answers what `_info` does."""
        # A listener hears nothing at all where there is no consumer (yet): better to ask again soon.
        patience = LISTENER_TIMEOUT_SECONDS if self._connection.listener else REQUEST_TIMEOUT_SECONDS
        return await self._connection.api(f"CONSUMER.RESET.{subjects.STREAM}.{self._name}", timeout_seconds=patience)

    async def stream_state(self) -> StreamState | None:
        """Where the stream begins and ends. None while a listener can ask nobody: no API server is up. Then the cursor
        is trusted for the time being, and looked at again (`_prove`). Raises HistoryReplaced, BusError."""
        if not self._connection.listener:
            return known(self._connection, await state(self._connection))
        try:
            return await told_state(self._connection)
        except NodeUnreachable:
            return None

    @contextlib.asynccontextmanager
    async def _watched(self, pull: _Pull) -> AsyncIterator[None]:
        """While the block runs, look whether the cursor was, and stays, within what the stream keeps."""
        tasks = [asyncio.create_task(self._guard(pull), name=f"guard-{self._name}")]
        if self._unproven is not None:
            tasks.append(asyncio.create_task(self._prove(pull, self._unproven), name=f"prove-{self._name}"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _prove(self, pull: _Pull, cursor: int) -> None:
        """Was the cursor still in the stream when this process attached? Retention only moves forward, so what is in
        the stream now was there then."""
        while True:
            await asyncio.sleep(PROVE_SECONDS)
            stream = await self._looked_up(pull)
            if stream is not None and cursor <= stream.last:
                self._unproven = None
                if is_lost(cursor, stream, self._covered):
                    pull.abort(CursorLost(self._name))
                return

    async def _guard(self, pull: _Pull) -> None:
        """Has retention overtaken a reader that is behind? What it had to do a while ago must still be there: then
        whatever was delivered since was delivered without a gap."""
        while True:
            owed = self._owed(pull)
            await asyncio.sleep(GUARD_SECONDS)
            stream = await self._looked_up(pull) if owed is not None else None
            if stream is not None and owed is not None and stream.first > max(owed, self._covered + 1):
                pull.abort(CursorLost(self._name))

    def _owed(self, pull: _Pull) -> int | None:
        """The first sequence that may not be gone: of the oldest change in hand, else what comes behind the last one.
        None when nothing is due."""
        if self._unacknowledged:
            return self._unacknowledged[0][0]
        return pull.owed

    async def _looked_up(self, pull: _Pull) -> StreamState | None:
        try:
            return await self.stream_state()
        except HistoryReplaced as err:
            pull.abort(err)
            return None
        except BusError as err:
            log.debug("the cursor is not proven now", subscriber=self._name, reason=str(err))
            return None

    async def begin(self, after: int) -> None:
        """Put the cursor to `after`, whatever there was before: made new, or moved. A listener can move its cursor,
        though not before where it began, and cannot make one."""
        if self._connection.listener:
            await self._connection.api(f"CONSUMER.RESET.{subjects.STREAM}.{self._name}", {"seq": after + 1})
            self._cursor = after
            return
        try:
            await consumer.remove(self._connection, self._name)
        except (ConsumerMissing, StreamMissing):
            log.debug("no consumer to replace", subscriber=self._name)
        await self._create(after)
        self._cursor = after

    def cover(self, rv: int) -> None:
        """Everything up to `rv` is known from elsewhere, such as a snapshot: it is no loss when it is gone."""
        self._covered = rv

    async def move(self, after: int) -> None:
        """Put the cursor of an existing consumer to `after`, though not before where it began. What is delivered at
        this moment is delivered again. Raises BusError."""
        await consumer.move(self._connection, self._name, after=after)
        self._cursor = after

    async def remove(self) -> None:
        """Give the cursor up."""
        await consumer.remove(self._connection, self._name)

    async def _create(self, after: int) -> None:
        filters = self._filters if self._filters is not None else [subjects.ALL]
        await consumer.create(self._connection, self._name, filters=filters, after=after)

    async def changes(self) -> AsyncGenerator[Change, None]:
        """Every change behind the cursor, for as long as the caller takes them. Raises CursorLost."""
        pause = 0.02
        while True:
            try:
                await self._connection.wait_connected()
                found = await self.ensure()
                if found.created or found.lost:
                    raise CursorLost(self._name)
                await self._rewind()
                self._unacknowledged.clear()
                async with _Pull(self._connection, self._name) as pull, self._watched(pull):
                    self.attached = True
                    async for change, reply in pull.changes():
                        pause = 0.02
                        self._unacknowledged.append((change.rv, reply))
                        yield change
            except StreamMissing as err:
                log.info("subscriber waits for the stream", subscriber=self._name, reason=str(err))
            except (BusError, _Silent) as err:
                log.debug("subscriber attaches again", subscriber=self._name, reason=str(err))
            finally:
                self.attached = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def acknowledge(self, rv: int) -> None:
        """Everything delivered up to `rv` is done. Does nothing when that was said before."""
        reply = self._settle(rv)
        if not reply:
            return
        self._crash.reach("before-ack")
        try:
            await self._connection.publish(reply, b"+ACK")
        except BusUnavailable:
            # The changes come again after the reconnect, and are acknowledged then.
            log.debug("acknowledgement not sent", subscriber=self._name, rv=rv)

    async def acknowledge_surely(self, rv: int) -> bool:
        """The same, and wait for the broker's word: then those changes do not come again. False when none came. (A
        nats-server that is killed within a fraction of a second after its word has not written it to disk yet.)"""
        reply = self._settle(rv)
        if not reply:
            return self._confirmed >= rv
        self._crash.reach("before-ack")
        try:
            await self._connection.request(reply, b"+ACK")
        except (BusUnavailable, NodeUnreachable):
            log.debug("acknowledgement not confirmed", subscriber=self._name, rv=rv)
            return False
        self._confirmed = max(self._confirmed, rv)
        return True

    def _settle(self, rv: int) -> str:
        """Where to acknowledge the last change that was delivered up to `rv`; empty when there is none."""
        reply = ""
        while self._unacknowledged and self._unacknowledged[0][0] <= rv:
            sequence, reply = self._unacknowledged.popleft()
            self._cursor = max(self._cursor, sequence)
        return reply


class _Silent(Exception):
    """The consumer cannot be trusted any more."""


class _Pull:
    """Keeps one pull request open and takes what it brings."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{subjects.STREAM}.{name}"
        self._arrived: deque[tuple[Change, str]] = deque()
        self._wake = asyncio.Event()
        self._outstanding = 0
        self._delivered = 0
        self._broken = ""
        self._aborted: CursorLost | HistoryReplaced | None = None
        self._last: Change | None = None

    @property
    def owed(self) -> int | None:
        """The first sequence that is still to be taken; None when all has been."""
        if self._arrived:
            return self._arrived[0][0].rv
        return self._last.rv + 1 if self._last is not None and self._last.pending else None

    def abort(self, why: CursorLost | HistoryReplaced) -> None:
        """Let `changes` raise this, now."""
        self._aborted = why
        self._wake.set()

    async def __aenter__(self) -> _Pull:
        self._inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(self._inbox, self._on_message)
        self._generation = self._connection.generation
        self._renewal = asyncio.create_task(self._wake_at_renewal(), name="pull-renewal")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._renewal.cancel()
        await asyncio.gather(self._renewal, return_exceptions=True)
        await self._subscription.unsubscribe()

    async def _wake_at_renewal(self) -> None:
        """The request is gone with the connection: attach again at once, and do not wait for the silence."""
        await self._connection.wait_renewed(self._generation)
        self._wake.set()

    def _on_message(self, message: Message) -> None:
        self._wake.set()
        status = message.status
        description = (message.headers or {}).get("Description", "")
        if not status:
            self._on_change(message)
        elif status == "100":
            self._on_heartbeat(message)
        elif status in ("404", "408") or "Batch Completed" in description:
            self._outstanding = 0
        else:
            self._broken = f"{status} {description}"

    def _on_heartbeat(self, message: Message) -> None:
        """It tells how many the consumer has delivered. Were some of them not to us, another process has them: one that
        was stopped with its request still open, say."""
        delivered = int((message.headers or {}).get("Nats-Last-Consumer", 0))
        if delivered > self._delivered:
            self._broken = f"{delivered} were delivered, {self._delivered} of them here"

    def _on_change(self, message: Message) -> None:
        """The consumer counts its deliveries from 1 after a reset: a hole means that another process got some."""
        told = delivery.read(message.reply)
        self._outstanding -= 1
        if told.consumer_sequence != self._delivered + 1:
            self._broken = f"delivery {told.consumer_sequence} came after {self._delivered}"
        if self._broken:
            return
        self._delivered += 1
        self._last = delivery.change_of(message, told)
        self._arrived.append((self._last, message.reply))

    async def _request(self) -> None:
        request = {
            "batch": BATCH,
            "expires": int(EXPIRES_SECONDS * 1e9),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9),
        }
        self._outstanding += BATCH
        await self._connection.publish(self._subject, json.dumps(request).encode(), reply=self._inbox)

    async def changes(self) -> AsyncIterator[tuple[Change, str]]:
        while True:
            if self._outstanding <= BATCH // 2:
                await self._request()
            while self._arrived:
                yield self._arrived.popleft()
                if self._outstanding <= BATCH // 2:
                    await self._request()
            if self._aborted is not None:
                raise self._aborted
            if self._broken or self._connection.generation != self._generation:
                raise _Silent(self._broken or "the connection was lost")
            self._wake.clear()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._wake.wait()
            except TimeoutError as err:
                raise _Silent("no sign of life") from err
