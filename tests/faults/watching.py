"""Clients that watch, keep every frame, and go on from the last one when they were cut off, perhaps at another server.

That is what an informer does, but for one thing: an informer may list again, and these may not, since what a test wants
to see is that nothing was missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import orjson

from tests.conftest import eventually
from tests.faults.http1 import HttpConnection, Place, Refused, Unanswered, Unreached
from tests.faults.load import CONFIGMAPS, NAMESPACE

PAUSE_SECONDS = 0.05
_RETRY = frozenset({429, 503, 504})


@dataclass(slots=True)
class Watching:
    """`frames`: as they came, with their numbers. `failures`: what a client could not have gone on from."""

    path: str
    places: Sequence[Place]
    after: int
    frames: list[tuple[int, bytes]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    beginnings: int = 0
    pause_seconds: float = 0.0
    """After each frame: a slow client."""
    subject: str = f"changes.core.configmaps.{NAMESPACE}."
    """How the subjects of what it selects begin."""

    @classmethod
    def configmaps(cls, places: Sequence[Place], *, after: int) -> Watching:
        """Of the objects that a Load writes to."""
        return cls(CONFIGMAPS, places, after)

    def forget(self, up_to: int) -> None:
        """What was seen up to there is checked."""
        self.after = up_to
        self.frames = [frame for frame in self.frames if frame[0] > up_to]

    @property
    def rv(self) -> int:
        """Of the last frame."""
        return self.frames[-1][0] if self.frames else self.after

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Watching]:
        task = asyncio.create_task(self._run(), name=f"watching-{self.path}")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def reached(self, rv: int, *, timeout_seconds: float = 60.0) -> None:
        """Wait until the change `rv` was seen, or the watch failed."""
        await eventually(
            lambda: self.rv >= rv or bool(self.failures), timeout_seconds=timeout_seconds, what=f"a watcher at {rv}"
        )

    async def _run(self) -> None:
        for place in itertools.cycle(self.places):
            try:
                await self._follow(place)
            except (Unreached, Unanswered):
                await asyncio.sleep(PAUSE_SECONDS)
            except Refused as refused:
                if refused.answer.status not in _RETRY:
                    self.failures.append(str(refused))
                    return
                await asyncio.sleep(PAUSE_SECONDS)
            if self.failures:
                return

    async def _follow(self, place: Place) -> None:
        self.beginnings += 1
        path = f"{self.path}?watch=1&resourceVersion={self.rv}"
        async with contextlib.aclosing(HttpConnection(place).lines(path)) as lines:
            async for line in lines:
                frame = orjson.loads(line)
                if frame["type"] == "ERROR":
                    self.failures.append(line.decode())
                    return
                self.frames.append((int(frame["object"]["metadata"]["resourceVersion"]), line))
                if self.pause_seconds:
                    await asyncio.sleep(self.pause_seconds)
