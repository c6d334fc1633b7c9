"""Is this Redis the one whose changes are in the stream, or was an old backup put in its place?

Each life of a Redis server (its run id) is compared with the stream once by each API server, before its first commit
goes into it: a record that is behind would give out numbers that the stream has. What was found is written into Redis,
by relays too, so that a server which can't reach the bus may rely on another one, or on its own last life. Where nobody
compared, the highest number that this process has seen stands for the stream's end; a process that has seen none waits.

Not promised: that a Redis which went back, while the bus is away from this process alone, is recognised when another
API server had published more than this one has seen. The relay finds out when the bus is back, and commits stop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from apiserver.store.base import RecordBehindStream, StoreUnavailable
from apiserver.store.keys import Keys
from apiserver.store.wire import Refusal, Wire

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamView:
    """How a store learns where the stream ends."""

    end: Callable[[], Awaitable[int | None]]
    """Its last sequence, 0 where there is no stream; None where that can't be asked now."""
    seen: Callable[[], int]
    """The highest sequence that this process has seen."""
    max_message_bytes: Callable[[], int] = lambda: 0
    """Of one change with its headers; 0 where that is not known."""


class Footing:
    """Works on the committer's wire, between its round trips."""

    def __init__(self, wire: Wire, *, keys: Keys, stream: StreamView | None) -> None:
        self._wire = wire
        self._keys = keys
        self._stream = stream
        self._trusted = ""

    async def check(self, *, committed: int) -> None:
        """Return when commits may go into the Redis that the wire is connected to. `committed` is the highest number
        that was given out to this process. Raises StoreUnavailable, RecordBehindStream, WireDown, WireLost."""
        if self._stream is None or self._identity() == self._trusted:
            return
        identity = self._identity()
        rv, compared_in = await self._ask("MGET", self._keys.rv, self._keys.compared)
        last, end = int(rv or 0), await self._stream.end()
        if end is None:
            if (compared_in or b"").decode() != identity:
                self._compare_with_memory(last, max(committed, self._stream.seen()))
                await self._ask("SET", self._keys.compared, identity)
        else:
            # NB: the number goes in even when it forbids commits: it tells the other API servers, and /readyz.
            await self._ask("MSET", self._keys.stream, end, self._keys.compared, identity)
            if end > last:
                raise RecordBehindStream(end, last)
        self._trusted = identity

    def _identity(self) -> str:
        """Of this life of the server; of this connection, where the server does not tell."""
        session = self._wire.session
        return session.run_id if session is not None else f"connection {self._wire.opened}"

    def _compare_with_memory(self, last: int, seen: int) -> None:
        """What was seen counts only where it was seen of a life that had been compared."""
        if not self._trusted:
            raise StoreUnavailable(
                "Redis was started anew, and whether it is behind the stream can't be told while NATS is away"
            )
        if seen > last:
            raise RecordBehindStream(seen, last)

    async def _ask(self, *command: str | int) -> Any:
        [answer] = await self._wire.exchange([command], timeout_seconds=TIMEOUT_SECONDS)
        if isinstance(answer, Refusal):
            raise StoreUnavailable(f"Redis refused: {answer.message}")
        return answer
