"""An agent with a controller that writes down what it was asked to reconcile, and at which version it saw it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from agents.client.informer import version_of
from agents.client.outcome import Done, Outcome
from agents.client.process import connections
from agents.client.resources import CONFIGMAPS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from deploy import identities
from tests.integration.agents.plane import Servers

Obj = dict[str, Any]


class Recorder:
    """`seen`: the versions at which each object was reconciled; 0 when it was gone. `slow`: seconds for each."""

    name = "recorder"

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.seen: dict[str, list[int]] = {}
        self.fail: Callable[[str], bool] = lambda name: False
        self.slow = 0.0
        self._agent: Agent | None = None

    def join(self, agent: Agent) -> None:
        self._agent = agent
        agent.add_controller(self)

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {CONFIGMAPS: self._key}

    def _key(self, delta: Delta) -> Iterable[Key]:
        meta = delta.object["metadata"]
        if meta["namespace"] == self.namespace:
            yield Key(meta["namespace"], meta["name"])

    async def reconcile(self, key: Key) -> Outcome:
        assert self._agent is not None
        await asyncio.sleep(self.slow)
        if self.fail(key.name):
            raise RuntimeError("as the test wants it")
        found = self._agent.informer(CONFIGMAPS).get(key.namespace, key.name)
        self.seen.setdefault(key.name, []).append(version_of(found) if found else 0)
        return Done()

    def last(self) -> dict[str, int]:
        return {name: versions[-1] for name, versions in self.seen.items()}


@contextlib.asynccontextmanager
async def recording(servers: Servers, recorder: Recorder, *, name: str) -> AsyncIterator[Agent]:
    """One life of the agent `name`. Its end is a crash: nothing is finished, nothing is acknowledged any more."""
    kubeconfig = servers.api.kubeconfig(identities.CONTROLLERS)
    async with connections(kubeconfig, SecretStr(servers.nats.agent_url), name=name) as links:
        agent = Agent(name=name, rest=links.rest, connection=links.bus, workers=4)
        recorder.join(agent)
        links.login.join(agent.selection())
        task = asyncio.create_task(agent.run(), name=f"agent-{name}")
        try:
            yield agent
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
