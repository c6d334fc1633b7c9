"""Everybody who listens during a soak, from its first moment to its last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from broker.selection import ANY, Selection
from tests.faults.cluster import Cluster
from tests.faults.hearing import Hearing
from tests.faults.http1 import Place
from tests.faults.load import CONFIGMAPS
from tests.faults.pods import NAMESPACE
from tests.faults.subscribing import Habits, Subscribing
from tests.faults.watching import Watching

STUCK = 3
_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class Listeners:
    """HTTP watchers that go on where they were cut off, subscribers that acknowledge and die, and clients that ask for
    a watch and never read it."""

    cluster: Cluster
    watchings: list[Watching]
    subscribings: list[Subscribing]
    hearings: list[Hearing]

    @classmethod
    def of(cls, cluster: Cluster, *, seed: int) -> Listeners:
        after, places = cluster.record().rv, cluster.places
        pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        watchings = [
            Watching.configmaps(places, after=after),
            Watching.configmaps(places[::-1], after=after),
            Watching(CONFIGMAPS, places, after, pause_seconds=0.003),
            Watching(pods, places, after, subject=f"changes.core.pods.{NAMESPACE}."),
        ]
        selections = {
            "configmaps": (Selection.of([("", "configmaps")], namespace="default"), Habits()),
            "everything": (Selection.of([(ANY, ANY)]), Habits(acknowledges=0.1, dies=0.0005)),
            "pods": (Selection.of([("", "pods"), ("apps", "replicasets")]), Habits(pause_seconds=0.01, dies=0.01)),
        }
        subscribings = [
            Subscribing(name, cluster.servers[n % len(places)].kubeconfig(), selection, after, seed, habits)
            for n, (name, (selection, habits)) in enumerate(selections.items())
        ]
        hearings = [Hearing(one.name, one.selection, after=after) for one in subscribings]
        return cls(cluster, watchings, subscribings, hearings)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Listeners]:
        async with contextlib.AsyncExitStack() as stack:
            for watching in self.watchings:
                await stack.enter_async_context(watching.running())
            for subscribing in self.subscribings:
                await stack.enter_async_context(subscribing.running())
            tasks = [asyncio.create_task(_stuck(self.cluster.places[n % 2]), name=f"stuck-{n}") for n in range(STUCK)]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _stuck(place: Place) -> None:
    """Ask for a watch, read nothing of it, and ask anew when it was cut off."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(place.host, place.port, ssl=place.tls, limit=1024)
            try:
                head = f"GET {CONFIGMAPS}?watch=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {place.token}\r\n\r\n"
                writer.write(head.encode())
                await writer.wait_closed()
            finally:
                writer.transport.abort()
        await asyncio.sleep(_AGAIN_SECONDS)
