"""Time that a test moves by hand."""

from __future__ import annotations

import asyncio
import heapq
import itertools


class ManualClock:
    """`sleep` ends when the test has advanced that far."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._serial = itertools.count()

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._serial), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Wake everybody whose time comes, in order, and let each run as far as it can."""
        end = self.time + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self.time = max(self.time, due)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self.time = end
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
