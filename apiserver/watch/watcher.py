"""One watcher, from its first chunk to its last: an async iterator of bytes, each piece whole frames.

    the beginning    see `apiserver.watch.beginning`
    live             the group's chain of chunks
    the end          its time is up (with a last BOOKMARK), the server closes, it lagged too far, or an ERROR frame

Promised to the client: the changes in the order of their numbers, each once, none skipped, from where it asked to
begin up to the end; the changes of one number are never split. A wait that is cancelled ends the watcher. Whoever made
one calls `close`.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from apiserver.api.status import StatusError
from apiserver.cache import Cache
from apiserver.watch import frames
from apiserver.watch.beginning import Beginning
from apiserver.watch.group import Chunk, Group, collect
from apiserver.watch.view import WatchOptions
from broker.errors import StreamExpired

log = structlog.get_logger(__name__)


class Ending(enum.Enum):
    """Why a watcher ends without an ERROR frame."""

    CLOSED = "closed"
    TIME_IS_UP = "its time is up"
    TOO_SLOW = "it lagged too far behind"


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Bounds and intervals of all watchers."""

    bookmark_seconds: float = 60.0
    """How often a watcher that asked for bookmarks gets one (upstream: about once a minute)."""
    write_bytes: int = 1024 * 1024
    """What is joined into one write at most, unless one batch alone is larger."""
    max_lag_bytes: int = 64 * 1024 * 1024
    """A watcher that has more than this yet to write is cut off."""
    shortest_seconds: float = 1800.0
    """A watch without timeoutSeconds ends after this or up to twice as long, so that watchers spread over the servers
    (upstream: `--min-request-timeout`)."""
    reach_seconds: float = 3.0
    """How long a watch waits for a resourceVersion that this server has not reached."""


class Watcher(AsyncIterator[bytes]):
    """See the module's docstring."""

    def __init__(
        self,
        cache: Cache,
        group: Group,
        options: WatchOptions,
        beginning: Beginning | None,
        *,
        timeout_seconds: float,
        settings: WatchSettings,
        on_close: Callable[[Watcher], None],
    ) -> None:
        self.group = group
        self.place: Chunk | None = group.last if beginning is None else None
        """What was written last; None before the chain is reached, and after a cut. Set with `beginning.place`."""
        self._cache = cache
        self._options = options
        self._beginning = beginning
        self._settings = settings
        self._on_close = on_close
        self._shown_rv = options.after_rv
        self._ending: Ending | StatusError | None = None
        self._finished = False
        self._signal: asyncio.Future[None] | None = None
        self._scope: asyncio.Timeout | None = None
        self._bookmark_due = False
        self._bookmark_timer: asyncio.TimerHandle | None = None
        loop = asyncio.get_running_loop()
        self.cut: asyncio.Future[None] = loop.create_future()
        """Done when the watcher was cut off: whoever waits to write for it need not wait any longer."""
        self._deadline = loop.call_later(timeout_seconds, self.end, Ending.TIME_IS_UP)
        if beginning is not None:
            self.place = beginning.place  # from here on the group counts what it has yet to write
        self._plan_bookmark()
        group.members.add(self)

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> bytes:
        if self._finished:
            raise StopAsyncIteration
        try:
            data = await self._next()
        except BaseException:
            await self.aclose()
            raise
        if data:
            return data
        await self.aclose()
        raise StopAsyncIteration

    def wake(self) -> None:
        """There is something to do."""
        if self._signal is not None and not self._signal.done():
            self._signal.set_result(None)

    def cut_off(self) -> None:
        """Called by the group when the lag is over the bound. What is not written yet is let go."""
        log.warning("a watcher was cut off", resource=self.group.view.resource.resource, rv=self._shown_rv)
        self.place = None
        if not self.cut.done():
            self.cut.set_result(None)
        self.end(Ending.TOO_SLOW)

    def expire(self, oldest: int) -> None:
        """What follows does not connect to what was written."""
        self.end(frames.too_old(self._shown_rv, oldest))

    def end(self, ending: Ending | StatusError) -> None:
        """The first ending counts. Before an ERROR frame, what stands in the chain is still written."""
        if self._ending is None:
            self._ending = ending
        self.wake()
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    def close(self) -> None:
        """Give up timers and membership; the iteration ends. May be called at any time and more than once."""
        self._deadline.cancel()
        if self._bookmark_timer is not None:
            self._bookmark_timer.cancel()
        self.group.members.discard(self)
        self.group.waiting.discard(self)
        self._on_close(self)
        self.end(Ending.CLOSED)

    async def aclose(self) -> None:
        """End, and give everything up, from wherever the iteration stands. May be called more than once."""
        self._finished = True
        self.place = None
        self.close()
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            await beginning.close()

    async def _next(self) -> bytes | None:
        """The next piece; None at the end."""
        while True:
            if self._ending is not None:
                return self._last_words()
            if self._beginning is not None:
                if data := await self._begin(self._beginning):
                    return data
                continue
            if data := self._collect():
                return data
            if self._bookmark_due:
                return self._bookmark()
            await self._wait()

    async def _begin(self, beginning: Beginning) -> bytes | None:
        try:
            data = await self._until_ended(beginning)
        except TimeoutError:
            return None  # `end` was called
        except StreamExpired as err:
            self.end(frames.too_old(self._shown_rv, err.first - 1))
            return None
        if beginning.place is not None and self.place is None and self._ending is None:
            self.place = beginning.place
        if data is None:
            self._beginning = None
            await beginning.close()
        return data

    async def _until_ended(self, beginning: Beginning) -> bytes | None:
        """Raises TimeoutError as soon as `end` is called."""
        try:
            async with asyncio.timeout(None) as self._scope:
                return await beginning.next()
        finally:
            self._scope = None

    def _collect(self) -> bytes:
        if self.place is None:
            return b""
        self.place, data = collect(self.place, limit_bytes=self._settings.write_bytes)
        return data

    async def _wait(self) -> None:
        self._shown_rv = self._cache.rv  # everything up to here was written, or concerns others
        self._signal = asyncio.get_running_loop().create_future()
        self.group.waiting.add(self)
        try:
            await self._signal
        finally:
            self._signal = None
            self.group.waiting.discard(self)

    def _last_words(self) -> bytes | None:
        ending = self._ending
        if ending is Ending.TIME_IS_UP:
            return self._last_bookmark()
        if not isinstance(ending, StatusError):
            return None
        if self._beginning is None and (data := self._collect()):
            return data
        self._ending = Ending.CLOSED
        return frames.error(ending)

    def _last_bookmark(self) -> bytes | None:
        """What can be had at once, and then the number that it is complete up to."""
        if self._beginning is not None:
            return None
        self._ending = Ending.CLOSED
        data = self._collect()
        written_all = self.place is not None and self.place.next is None
        if self._options.bookmarks and written_all:
            data += self._bookmark()
        return data

    def _plan_bookmark(self) -> None:
        if self._options.bookmarks:
            loop = asyncio.get_running_loop()
            self._bookmark_timer = loop.call_later(self._settings.bookmark_seconds, self._want_bookmark)

    def _want_bookmark(self) -> None:
        self._bookmark_due = True
        self.wake()

    def _bookmark(self) -> bytes:
        """Only where the chain is written to its end."""
        if self._bookmark_due:
            self._bookmark_due = False
            self._plan_bookmark()
        return frames.bookmark(self._options, self._cache.rv)
