"""Subscribers that acknowledge now and then, die now and then, and write down everything in the order it happened.

They are what a user's own would be: a Subscription made over REST, credentials for its consumer alone, the library
`broker`. What they wrote down is held against the stream by `tests.faults.hearing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from agents.client.login import SubscriptionLogin, bus
from agents.client.resources import SUBSCRIPTIONS
from agents.client.rest import RestClient
from apiserver.api.status import AlreadyExists, StatusError
from broker.kubeconfig import load as load_kubeconfig
from broker.selection import Selection, consumer_name
from broker.subscriber import CursorLost, Subscriber
from tests.conftest import eventually

PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Delivered:
    rv: int
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Everything up to `rv` is done. `surely`: the broker confirmed it."""

    rv: int
    surely: bool
    at: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A process begins to listen; the one before is dead."""


@dataclass(frozen=True, slots=True)
class Lost:
    """It was told that changes behind its cursor are gone."""

    cursor: int


Told = Delivered | Acknowledged | Begun | Lost


@dataclass(frozen=True, slots=True)
class Habits:
    """Probabilities, for each change that is delivered."""

    acknowledges: float = 0.3
    surely: float = 0.1
    dies: float = 0.002
    pause_seconds: float = 0.0


@dataclass(slots=True)
class Subscribing:
    """`after`: the resourceVersion that it begins behind."""

    name: str
    kubeconfig: Path
    selection: Selection
    after: int
    seed: int = 0
    habits: Habits = Habits()
    told: list[Told] = field(default_factory=list)
    lives: int = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Subscribing]:
        task = asyncio.create_task(self._run(), name=f"subscribing-{self.name}")
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def rv(self) -> int:
        """Of the last delivery."""
        return next((one.rv for one in reversed(self.told) if isinstance(one, Delivered)), self.after)

    async def reached(self, rv: int, *, timeout_seconds: float = 60.0) -> None:
        await eventually(
            lambda: self.rv >= rv or any(isinstance(one, Lost) for one in self.told),
            timeout_seconds=timeout_seconds,
            what=f"subscriber {self.name} at {rv}, it is at {self.rv},",
        )

    async def _run(self) -> None:
        choose = random.Random(f"{self.seed}-{self.name}")
        async with RestClient(load_kubeconfig(self.kubeconfig), user_agent=self.name) as rest:
            await self._make(rest)
            while not any(isinstance(one, Lost) for one in self.told):
                self.lives += 1
                await self._live(rest, choose)

    async def _make(self, rest: RestClient) -> None:
        start = {"from": "ResourceVersion", "resourceVersion": str(self.after)}
        resources = [{"group": one.group, "resource": one.resource} for one in self.selection.resources]
        spec = {"resources": resources, "start": start}
        if self.selection.namespace:
            spec["namespace"] = self.selection.namespace
        wanted = {
            "apiVersion": SUBSCRIPTIONS.api_version,
            "kind": SUBSCRIPTIONS.kind,
            "metadata": {"name": self.name},
            "spec": spec,
        }
        while True:
            try:
                await rest.create(SUBSCRIPTIONS, wanted)
            except AlreadyExists:
                return
            except StatusError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _live(self, rest: RestClient, choose: random.Random) -> None:
        """Until it dies: nothing of it goes on in the next life but its key, which is on disk."""
        keep = self.kubeconfig.with_name(f"{self.name}.subscriber")
        login = SubscriptionLogin(rest, name=self.name, keep=keep)
        login.join(None)
        self.told.append(Begun())
        async with bus(login, name=self.name) as connection:
            filters = self.selection.filters()
            subscriber = Subscriber(connection, name=consumer_name(self.name), filters=filters)
            try:
                async with contextlib.aclosing(subscriber.changes()) as changes:
                    async for change in changes:
                        self.told.append(Delivered(change.rv, change.body, time.monotonic()))
                        if choose.random() < self.habits.dies:
                            return
                        await self._do(subscriber, change.rv, choose)
            except CursorLost:
                self.told.append(Lost(subscriber.cursor))

    async def _do(self, subscriber: Subscriber, rv: int, choose: random.Random) -> None:
        what = choose.random()
        if what < self.habits.surely:
            started = time.monotonic()
            sure = await subscriber.acknowledge_surely(rv)
            self.told.append(Acknowledged(rv, sure, started))
        elif what < self.habits.surely + self.habits.acknowledges:
            await subscriber.acknowledge(rv)
            self.told.append(Acknowledged(rv, surely=False, at=time.monotonic()))
        if self.habits.pause_seconds:
            await asyncio.sleep(self.habits.pause_seconds)
