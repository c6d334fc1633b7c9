"""Keys that wait to be worked on.

Promised: a key is handed out once at a time; a key that is added while it is worked on is handed out again afterwards;
added several times while it waits, it is handed out once; first come, first served. `retry` spaces the tries of a
failing key out, `forget` ends that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

FIRST_SECONDS = 0.02
LONGEST_SECONDS = 30.0


def backoff(failures: int) -> float:
    """Seconds before the next try after that many failures: 20 ms, doubling, at most 30 s."""
    return float(min(FIRST_SECONDS * 2 ** min(failures - 1, 20), LONGEST_SECONDS))


class WorkQueue(Generic[K]):
    def __init__(self) -> None:
        self._waiting: deque[K] = deque()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, tuple[float, asyncio.TimerHandle]] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """Keys that wait now; not those of timers."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is worked on; timers may be set."""
        return not self._waiting and not self._working

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._working:
            self._waiting.append(key)
            self._wake.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Add later. Of several such wishes for one key the earliest holds."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        earlier = self._timers.get(key)
        if earlier is not None:
            if earlier[0] <= due:
                return
            earlier[1].cancel()
        self._timers[key] = (due, loop.call_at(due, self._due, key))

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def get(self) -> K:
        """The next key; the caller owes `done` for it."""
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        key = self._waiting.popleft()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        self._working.discard(key)
        if key in self._dirty:
            self._waiting.append(key)
            self._wake.set()

    def retry(self, key: K) -> int:
        """Add again after a back-off. Returns how often the key failed in a row."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        self.add_after(key, backoff(failures))
        return failures

    def forget(self, key: K) -> None:
        self._failures.pop(key, None)

    def close(self) -> None:
        """Cancel the timers."""
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
