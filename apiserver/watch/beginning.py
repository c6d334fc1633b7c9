"""Where a watcher begins: with the present state, with the window's changes, or with history from the stream.

Each hands out pieces of whole frames until it is done, and then says from which chunk of the group's chain to go on:
taken in the same turn of the event loop as the last look at the table, so nothing is between them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from apiserver.cache import Cached
from apiserver.cache.cache import Applied, Cache
from apiserver.watch import frames
from apiserver.watch.group import Chunk, Group
from apiserver.watch.history import Replay
from apiserver.watch.view import View, WatchOptions
from broker.errors import BusUnavailable

log = structlog.get_logger(__name__)

STATE_SLICE = 200
"""Objects that are written at a time."""

RETRY_SECONDS = 0.2
"""Between attempts to read history while the bus is away."""


class Beginning(Protocol):
    """`next` gives bytes (perhaps none), and None when it is done; then `place` is set."""

    place: Chunk | None

    async def next(self) -> bytes | None: ...

    async def close(self) -> None: ...


class FromState:
    """ADDED for every object; then, for a client that takes them, a BOOKMARK that marks the end."""

    def __init__(self, cache: Cache, group: Group, options: WatchOptions) -> None:
        view = group.view
        self.place: Chunk | None = group.last
        self._view = view
        self._options = options
        self._objects: Sequence[Cached] = cache.table(view.resource).matching(view.namespace, view.match)
        self._rv = cache.rv
        self._written = 0
        self._mark_end = options.bookmarks

    async def next(self) -> bytes | None:
        if self._written < len(self._objects):
            following = self._objects[self._written : self._written + STATE_SLICE]
            self._written += len(following)
            return frames.state(self._view, following)
        self._objects = ()
        if not self._mark_end:
            return None
        self._mark_end = False
        return frames.bookmark(self._options, self._rv, initial_events_end=True)

    async def close(self) -> None:
        """Holds nothing open."""


class FromWindow:
    """What the window holds after a number, which it must reach."""

    def __init__(self, cache: Cache, group: Group, *, after_rv: int) -> None:
        table = cache.table(group.view.resource)
        self.place: Chunk | None = group.last
        self._changes = [Applied(table, one, None) for one in table.changes_after(after_rv)]
        self._view = group.view

    async def next(self) -> bytes | None:
        changes, self._changes = self._changes, []
        return written(self._view, changes) if changes else None

    async def close(self) -> None:
        """Holds nothing open."""


class FromHistory:
    """What the stream holds after a number, and then what the window holds. Waits while the bus is away. Raises
    StreamExpired."""

    def __init__(self, cache: Cache, group: Group, open_replay: Callable[[int], Replay], *, after_rv: int) -> None:
        self.place: Chunk | None = None
        self._cache = cache
        self._group = group
        self._open_replay = open_replay
        self._replay = open_replay(after_rv)

    async def next(self) -> bytes | None:
        if self.place is not None:
            return None
        if self._replay.complete:
            return await self._join()
        try:
            return written(self._group.view, await self._replay.next_batch())
        except BusUnavailable as err:
            log.info("history waits for the bus", reason=str(err))
            await self._replay.close()
            await asyncio.sleep(RETRY_SECONDS)
            self._replay = self._open_replay(self._replay.covered)
            return b""

    async def _join(self) -> bytes:
        """Go on in the window. The replay may have read further than the cache: wait, or the group would show it again
        when the cache gets there."""
        covered = self._replay.covered
        reached = await self._cache.wait_for(covered, timeout_seconds=RETRY_SECONDS)
        if not reached or not self._replay.complete:  # the window may have moved on meanwhile
            return b""
        rest = FromWindow(self._cache, self._group, after_rv=covered)
        self.place = rest.place
        return await rest.next() or b""

    async def close(self) -> None:
        with contextlib.suppress(BusUnavailable):  # nothing to end where there is no bus
            await self._replay.close()


def written(view: View, changes: Sequence[Applied]) -> bytes:
    """The frames that a view shows for changes of its resource."""
    inside = f"{view.namespace}/" if view.namespace else ""
    memo: frames.Memo = {}
    made = [
        frames.frame(view, one.change, one.table.extract, one.frame, memo)
        for one in changes
        if one.change.now.key.startswith(inside)
    ]
    return b"".join([frame for frame in made if frame is not None])
