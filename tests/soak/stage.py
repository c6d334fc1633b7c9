"""The processes of a soak: they are started, robbed, and started again when they end as they may."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

import orjson
import redis

from deploy import identities
from deploy.part import SUPERVISOR
from deploy.parts import EXIT_LOST_LEADERSHIP
from tests.apiserver import ApiServer
from tests.conftest import eventually
from tests.faults.cluster import Cluster
from tests.servers import Process

SERVERS = 2
FLEETS = {"kubelets-a": "node-1,node-2,node-3", "kubelets-b": "node-4,node-5,node-6"}
HEALTHY_SECONDS = 90.0
_LOOK_SECONDS = 0.1


class Agent(Process):
    """A scheduler, the controllers, or a kubelet with its simulated nodes."""

    def __init__(self, part: str, name: str, directory: Path, settings: Mapping[str, str]) -> None:
        self.health = directory / f"{name}.health"
        self._settings = {**settings, "health_file": str(self.health)}
        super().__init__([sys.executable, "-P", "-m", "deploy.part", part, name], directory / f"{name}.log")

    def spawn(self) -> None:
        self.health.unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKBEAT_")}
        environment |= {f"BACKBEAT_{key.upper()}": value for key, value in self._settings.items()}
        environment[SUPERVISOR] = str(os.getpid())
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment
            )

    def is_well(self) -> bool:
        """It has said so since it was started."""
        return self.runs and self.health.exists() and bool(orjson.loads(self.health.read_bytes())["ready"])


class Stage:
    """`start` and `close`. `busy`: the processes that a fault has in hand, and that are not looked after."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        listeners = directory / "nats" / "listeners.seed"
        self.cluster = Cluster(directory, servers=SERVERS, settings={"nats_listeners_seed_file": str(listeners)})
        self.processes: dict[str, Process] = {"redis": self.cluster.redis, "nats": self.cluster.nats}
        self.processes |= {f"apiserver-{n}": server for n, server in enumerate(self.cluster.servers)}
        self.agents = self._agents()
        self.processes |= self.agents
        self.busy: set[str] = set()
        self.complaints: list[str] = []

    def _agents(self) -> dict[str, Agent]:
        first, last = self.cluster.servers[0], self.cluster.servers[-1]

        def agent(part: str, name: str, at: ApiServer, who: identities.Identity, **settings: str) -> Agent:
            given = {"kubeconfig": str(at.kubeconfig(who)), **settings}
            return Agent(part, name, self.directory, given)

        agents = {
            "scheduler": agent("scheduler", "scheduler", first, identities.SCHEDULER, identity="scheduler"),
            "controllers": agent("controllers", "controllers", last, identities.CONTROLLERS, identity="controllers"),
        }
        for name, nodes in FLEETS.items():
            root = self.directory / name
            given = {"node_names": nodes, "runtime": "sim", "root_dir": str(root)}
            agents[name] = agent("kubelet", name, last, identities.FLEET, **given)
        return agents

    @property
    def logs(self) -> list[Path]:
        return [process.log for process in self.processes.values()]

    def start(self) -> None:
        """Returns once everything is well."""
        self.cluster.start()
        for one in self.agents.values():
            one.start()

    async def well(self) -> None:
        """Wait until every process says that it is well. Raises TimeoutError."""
        for server in self.cluster.servers:
            await _until(partial(asyncio.to_thread, _is_ready, server), f"{server.log.stem} ready")
        for name, one in self.agents.items():
            await _until(one.is_well, f"{name} well")

    def close(self) -> None:
        for one in self.agents.values():
            one.kill()
        self.cluster.close()

    def relay(self) -> str | None:
        """The API server whose relay has the lease. Waits while Redis stands still."""
        try:
            holder = self.cluster.redis.ask("GET", "{backbeat}:relay")
        except redis.exceptions.RedisError:
            return None
        pid = int(holder.decode().split("-")[-2]) if holder else 0
        servers = {f"apiserver-{n}": server for n, server in enumerate(self.cluster.servers)}
        return next((name for name, one in servers.items() if one.runs and one.pid == pid), None)

    async def look_after(self) -> None:
        """Start again whatever ended because another one may lead; complain of what ended by itself otherwise."""
        while True:
            for name, process in self.processes.items():
                code = process.exit_code
                if name in self.busy or code is None:
                    continue
                if code != EXIT_LOST_LEADERSHIP:
                    self.complaints.append(f"{name} ended by itself with {code}: see {process.log}")
                process.spawn()
            await asyncio.sleep(_LOOK_SECONDS)


def _is_ready(server: ApiServer) -> bool:
    return server.readyz()[0] == 200


async def _until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], what: str) -> None:
    await eventually(condition, timeout_seconds=HEALTHY_SECONDS, what=what)
