"""A broker with one consumer, in memory: what a Cursor needs of `broker.subscriber.Subscriber`, meaning the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import orjson

from broker import subjects
from broker.change import Change, frame
from broker.errors import BusUnavailable
from broker.stream import StreamState
from broker.subscriber import CursorLost, Subscriber, SubscriptionState


def change(rv: int, name: str = "a", *, pending: int = 1, kind: str = "MODIFIED", **labels: str) -> Change:
    obj = {"metadata": {"name": name, "namespace": "default", "resourceVersion": str(rv), "labels": labels}}
    body = frame(kind, orjson.dumps(obj))
    return Change(rv, subjects.subject_for("", "configmaps", "default", name), body, pending=pending)


class FakeSubscriber:
    """`away`: acknowledgements and moves do not arrive. `lose_connection` has what is not acknowledged come again."""

    def __init__(self, *changes: Change, begun: int = 0, first: int = 1) -> None:
        self.stored = list(changes)
        self.begun = self.acknowledged = begun
        self.first = first
        self.away = False
        self.told: list[int] = []
        self.covered = 0
        self.attached = False
        self._sent = begun
        self._wake = asyncio.Event()

    @property
    def me(self) -> Subscriber:
        return cast(Subscriber, self)

    @property
    def cursor(self) -> int:
        return self.acknowledged

    @property
    def last(self) -> int:
        return max((one.rv for one in self.stored), default=self.begun)

    def store(self, *changes: Change) -> None:
        self.stored += changes
        self._wake.set()

    def lose_connection(self) -> None:
        self._sent = self.acknowledged
        self._wake.set()

    async def ensure(self) -> SubscriptionState:
        lost = max(self.acknowledged, self.covered) + 1 < self.first
        untouched = self.acknowledged == self.begun
        return SubscriptionState(cursor=self.acknowledged, created=False, lost=lost, untouched=untouched)

    async def stream_state(self) -> StreamState:
        return StreamState(self.first, self.last)

    def cover(self, rv: int) -> None:
        self.covered = rv

    async def move(self, after: int) -> None:
        if self.away:
            raise BusUnavailable("away")
        self.acknowledged = after
        self.lose_connection()

    async def acknowledge(self, rv: int) -> None:
        await self.acknowledge_surely(rv)

    async def acknowledge_surely(self, rv: int) -> bool:
        if self.away:
            return False
        if rv > self.acknowledged:
            self.told.append(rv)
            self.acknowledged = rv
        return True

    async def changes(self) -> AsyncGenerator[Change, None]:
        if (await self.ensure()).lost:
            raise CursorLost("fake")
        self._sent = self.acknowledged
        while True:
            waiting = next((one for one in self.stored if one.rv > self._sent), None)
            if waiting is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._sent = waiting.rv
            yield waiting
