"""Pods that come and go as the seed says: Deployments that are scaled, bare pods that are made and deleted.

Whatever is asked for is asked for until it is answered, since in the end there must be exactly that
(`tests.faults.pods.Load.settled`). What became of each pod on the way is read off the stream: `bound_twice`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

from agents.client.rest import RestClient
from apiserver.api.status import AlreadyExists, StatusError
from tests.faults.changes import Change
from tests.faults.pods import NAMESPACE, Load

SPEC = {"containers": [{"name": "main", "image": "simulated", "resources": {"requests": {"cpu": "10m"}}}]}
DEPLOYMENTS = 3
MOST_REPLICAS = 12
MOST_BARE = 10
PAUSE_SECONDS = 0.2
_PODS = f"changes.core.pods.{NAMESPACE}."


class PodLoad:
    """What is there at the end of a round is where the next one begins."""

    def __init__(self, load: Load, seed: int) -> None:
        self._load = load
        self._choose = random.Random(f"{seed}-pods")
        self._serial = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """For the length of a block; what was begun in it is finished."""
        ending = asyncio.Event()
        task = asyncio.create_task(self._run(ending), name="pod-load")
        try:
            yield
            ending.set()
            async with asyncio.timeout(90):
                await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, ending: asyncio.Event) -> None:
        while not ending.is_set():
            await self._step()
            await asyncio.sleep(self._choose.expovariate(1 / PAUSE_SECONDS))

    async def _step(self) -> None:
        what = self._choose.random()
        bare = sorted(self._load.bare)
        if what < 0.4:
            await self._scale(f"d{self._choose.randrange(DEPLOYMENTS)}", self._choose.randint(0, MOST_REPLICAS))
        elif what < 0.75 and len(bare) < MOST_BARE:
            self._serial += 1
            name = f"bare-{self._serial}"
            await answered(lambda: self._load.create([name]))
            self._load.bare.add(name)
        elif bare:
            name = self._choose.choice(bare)
            await answered(lambda: self._load.delete([name]))

    async def _scale(self, name: str, size: int) -> None:
        await answered(lambda: self._load.scale({name: size}))
        if self._load.replicas.setdefault(name, size) != size:
            await answered(lambda: self._load.scale({name: size}))


async def begin(rest: RestClient) -> Load:
    load = Load(rest, SPEC)
    await answered(load.begin)
    return load


async def answered(ask: Callable[[], Awaitable[None]]) -> None:
    """Ask until somebody answers. What is there already was made by a request whose answer was lost."""
    done = False
    while not done:
        done = True
        try:
            await ask()
        except* AlreadyExists:
            pass
        except* StatusError:
            done = False
            await asyncio.sleep(PAUSE_SECONDS)


def bound_twice(changes: Sequence[Change]) -> Iterator[str]:
    """A pod that was ever seen on two nodes."""
    nodes: dict[str, set[str]] = defaultdict(set)
    for change in changes:
        node = change.object.get("spec", {}).get("nodeName") if change.subject.startswith(_PODS) else None
        if node:
            nodes[change.object["metadata"]["uid"]].add(node)
    for uid, seen in nodes.items():
        if len(seen) > 1:
            yield f"pod {uid} was bound to {sorted(seen)}"
