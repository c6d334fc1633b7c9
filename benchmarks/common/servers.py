"""The servers of a control plane alone: Redis, nats-server and API servers, started as `backbeat up` starts them, in a
temporary folder. No scheduler, no controllers and no kubelets: what those cost is another question.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.client.config import load as load_kubeconfig
from agents.client.resources import NAMESPACES
from agents.client.rest import RestClient
from benchmarks.clients.http import Server
from benchmarks.common.plane import UP_SECONDS, PlaneFailed
from deploy.child import Child
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.health import Probe
from deploy.options import UpOptions
from deploy.plan import Spec, Tier
from deploy.prepare import prepare
from deploy.readiness import last_line
from deploy.supervisor import Supervisor

LOOK_SECONDS = 0.02
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Servers:
    """Running. `folder` is for whatever else a measurement keeps; all is gone at the end."""

    folder: Path
    data: DataDir
    port: int
    nats_port: int
    token: str
    supervisor: Supervisor

    @property
    def processes(self) -> Mapping[str, int]:
        """The pid of each by its name."""
        return {child.spec.name: child.pid for child in self.supervisor.children if child.pid}

    @property
    def api(self) -> dict[str, Any]:
        """Where the API server is, for a client process."""
        return asdict(Server(HOST, self.port, str(self.data.pki / "ca.crt"), self.token))

    def rest(self) -> RestClient:
        return RestClient(load_kubeconfig(self.data.kubeconfig), user_agent="backbeat-benchmark")

    async def make_namespace(self, name: str) -> None:
        async with self.rest() as rest:
            await rest.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    async def restart(self, name: str) -> float:
        """Kill one process, and wait until its next life is well: the seconds since that began."""
        child = next(one for one in self.supervisor.children if one.spec.name == name)
        before = child.pid
        os.kill(before, signal.SIGKILL)
        while child.pid in (0, before):
            await asyncio.sleep(LOOK_SECONDS / 10)
        await _well([child])
        return time.time() - child.started_at


@asynccontextmanager
async def servers(*, api_servers: int = 1) -> AsyncIterator[Servers]:
    """Ready. Several API servers share one port. Raises PlaneFailed. SIGTERM ends it as Ctrl-C."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="bb") as folder:
        data = DataDir.at(Path(folder) / "backbeat")
        supervisor = Supervisor(logs=data.logs, on_change=lambda _: None)
        try:
            data.create()
            prepared = prepare(data, UpOptions(data.root, port=0, nodes=0))
        except UserError as err:
            raise PlaneFailed(str(err)) from err
        try:
            supervisor.start(_only_servers(prepared.specs, data, api_servers))
            await _well(supervisor.children)
            nats = next(spec.probe.nats for spec in prepared.specs if spec.probe.nats)
            port, token = prepared.listener.getsockname()[1], prepared.question.token
            yield Servers(Path(folder), data, port, nats, token, supervisor)
        finally:
            prepared.listener.close()
            for tier in (Tier.API, Tier.BUS, Tier.RECORD):
                await supervisor.stop_tier(tier)
            data.remove_short_directory()


def _only_servers(specs: Sequence[Spec], data: DataDir, api_servers: int) -> list[Spec]:
    kept = [spec for spec in specs if spec.tier is not Tier.AGENT]
    first = next(spec for spec in kept if spec.tier is Tier.API)
    return kept + [_another(first, data, f"{first.name}-{number}") for number in range(2, api_servers + 1)]


def _another(first: Spec, data: DataDir, name: str) -> Spec:
    health = str(data.health / f"{name}.json")
    command = (*first.command[:-1], name)
    environment = {**first.environment, "BACKBEAT_HEALTH_FILE": health}
    return replace(first, name=name, command=command, probe=Probe(file=health), environment=environment)


async def _well(children: Sequence[Child]) -> None:
    deadline = time.monotonic() + UP_SECONDS
    for child in children:
        while not (health := await asyncio.to_thread(child.ask)).ok:
            if child.restarts > 1 or time.monotonic() > deadline:
                raise PlaneFailed(f"{child.spec.name} does not get ready: {health.reason}; {last_line(child.log)}")
            await asyncio.sleep(LOOK_SECONDS)
