"""A place in the stream that outlives this process, and what of it is in hand.

A Cursor belongs to one Subscription and is read by one process at a time, in one of the ways of `broker.listen`. It
takes the changes that the Subscription selects, leaves out those that its label selector does not match, and tells the
broker what is done.

Delivery contract
  1. Changes come in order of their resourceVersions, each once as long as one goes on listening, also across lost
     connections.
  2. After `acknowledge(change)` that change and all before it never come again, to nobody, once the answer was True.
     False: the broker did not confirm it now; it is told again with the next one, and only a process that dies before
     that has them come again.
  3. After a crash, everything that was not acknowledged comes again, in order. So handlers MUST bear repeats.
  4. What cannot be kept is told by CursorLost, never passed over: see `broker.subscriber`.

Objects of encrypted kinds (Secrets) come with their metadata and without their values: those are for the API server to
tell.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

import orjson
import structlog

from broker.change import BadFrame, Change
from broker.errors import BusError
from broker.labels import Matches
from broker.snapshot import Snapshot
from broker.stream import StreamState
from broker.subscriber import CursorLost, Subscriber, SubscriptionState
from broker.watermark import Watermark

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.2
SKIPPED_AT_ONCE = 200

T = TypeVar("T")
TakeSnapshot = Callable[[], Awaitable[Snapshot]]


class Cursor:
    """See the module's docstring. Made by `broker.listen`."""

    def __init__(
        self,
        subscriber: Subscriber,
        *,
        matches: Matches | None = None,
        snapshot_first: bool = False,
        take_snapshot: TakeSnapshot | None = None,
    ) -> None:
        self.snapshot_first = snapshot_first
        """Its Subscription starts from Everything."""
        self._subscriber = subscriber
        self._matches = matches
        self._take_snapshot = take_snapshot
        self._mark = Watermark()
        self._covered = 0
        self._noting = False
        self._listening = False
        self._skipped = 0

    @property
    def position(self) -> int:
        """The highest resourceVersion up to which everything is done, as far as this process knows; 0 before the first
        change."""
        return max(self._mark.floor, self._subscriber.cursor)

    @property
    def in_hand(self) -> int:
        """How many changes were taken and are not done."""
        return self._mark.pending

    @property
    def kept_waiting(self) -> bool:
        """Somebody listens, and the broker does not hand changes out to this process now."""
        return self._listening and not self._subscriber.attached

    def select(self, matches: Matches | None) -> None:
        """From now on leave out what does not match; None: nothing."""
        self._matches = matches

    async def acknowledge(self, change: Change) -> bool:
        """This change and everything before it is done. True once the broker has confirmed it."""
        self._mark.all_done(change.rv)
        return await self._tell(surely=True)

    async def done(self, change: Change) -> None:
        """This one is done, in whatever order. The broker is told as soon as all before it are done as well."""
        if self._mark.done(change.rv):
            await self._tell()

    async def changes(self) -> AsyncGenerator[Change, None]:
        """What comes behind the cursor, without end. Raises CursorLost."""
        self._mark = Watermark(self._mark.floor)
        async with contextlib.aclosing(self._followed()) as changes:
            async for change in changes:
                yield change

    async def snapshot_then_changes(self, *, fresh: bool) -> AsyncGenerator[Change, None]:
        """As `changes`, after everything that exists: where that was not done yet, or is wanted anew (`fresh`). Raises
        CursorLost, what the snapshot raises, and ValueError where nobody can take one."""
        self._mark = Watermark(self._mark.floor)
        if fresh or (self.snapshot_first and (await self._state()).untouched):
            snapshot = await self._snapshot()
            for change in snapshot.changes:
                if self._mark.begin(change.rv):
                    yield change
            self._mark.begin(snapshot.rv)
            self._mark.done(snapshot.rv)
            await self._tell()
        async with contextlib.aclosing(self._followed()) as changes:
            async for change in changes:
                yield change

    async def _snapshot(self) -> Snapshot:
        if self._take_snapshot is None:
            raise ValueError("nobody can take a snapshot: pass one to `opened`, or use `subscribe`")
        snapshot = await self._take_snapshot()
        while (stream := await self._stream_state()) is not None and stream.last < snapshot.rv:
            await asyncio.sleep(RETRY_SECONDS)  # the relay is at it: nobody's cursor may be beyond the stream
        log.info("snapshot taken", objects=len(snapshot.changes), resource_version=snapshot.rv)
        self._mark = Watermark()
        self._covered, self._noting = snapshot.rv, True
        self._subscriber.cover(snapshot.rv)
        return snapshot

    async def _state(self) -> SubscriptionState:
        return await _patiently(self._subscriber.ensure)

    async def _stream_state(self) -> StreamState | None:
        return await _patiently(self._subscriber.stream_state)

    async def _followed(self) -> AsyncGenerator[Change, None]:
        self._listening = True
        try:
            async with contextlib.aclosing(self._subscriber.changes()) as changes:
                async for change in changes:
                    if await self._is_new(change):
                        yield change
        finally:
            self._listening = False

    async def _is_new(self, change: Change) -> bool:
        if change.rv <= self._covered:
            return False
        if not self._mark.begin(change.rv):
            await self._tell()  # it came again, so the acknowledgement was lost, if there was one
            return False
        if self._matches is None or self._matches(_labels(change)):
            return True
        await self._skip(change)
        return False

    async def _skip(self, change: Change) -> None:
        """Tell the broker now and then, so that a selector which hardly matches costs little."""
        self._mark.done(change.rv)
        self._skipped += 1
        if not change.pending or self._skipped >= SKIPPED_AT_ONCE:
            self._skipped = 0
            await self._tell()

    async def _tell(self, *, surely: bool = False) -> bool:
        """The broker, up to where everything is done. A snapshot is done when all of it is, and then the cursor moves
        behind it: until then the next process begins with a snapshot again."""
        floor = self._mark.floor
        if self._noting:
            if floor < self._covered:
                return False
            try:
                await self._subscriber.move(self._covered)
            except BusError as err:
                log.debug("the snapshot is not noted yet", reason=str(err))
                return False
            self._noting = False
        if floor <= self._covered:
            return True
        if surely:
            return await self._subscriber.acknowledge_surely(floor)
        await self._subscriber.acknowledge(floor)
        return True


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """The answer, once the broker gives one."""
    while True:
        try:
            return await ask()
        except BusError as err:
            log.info("a subscriber waits for the broker", reason=str(err))
            await asyncio.sleep(RETRY_SECONDS)


def _labels(change: Change) -> dict[str, str]:
    try:
        found: dict[str, Any] = change.object()
    except (BadFrame, orjson.JSONDecodeError):
        return {}  # not a change of ours: only whoever owns the broker can have put it there
    labels: dict[str, str] = (found.get("metadata") or {}).get("labels") or {}
    return labels


__all__ = ["Cursor", "CursorLost", "TakeSnapshot"]
