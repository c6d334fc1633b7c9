"""A control plane for the tests of agents: a real API server process, its Redis and NATS, and the real controllers.

The controllers run in the test's own process, or as processes of their own that a test may kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from agents.client.config import load
from agents.client.resources import DEPLOYMENTS, NAMESPACES, PODS, REPLICASETS, ResourceRef
from agents.client.rest import RestClient
from agents.controllers.main import serve
from agents.controllers.settings import ControllerSettings
from apiserver.api.status import Conflict, NotFound
from deploy import identities
from deploy.identities import Identity
from tests.apiserver import ApiServer
from tests.conftest import eventually
from tests.integration.agents.fleet import Fleet
from tests.servers import Nats, Process, Redis

Obj = dict[str, Any]
PATIENCE_SECONDS = 60.0


class Servers:
    """What outlives a test: one API server with its Redis and NATS."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.redis = Redis(directory / "redis")
        self.nats = Nats(directory / "nats")
        self.api = ApiServer(directory / "api", redis_url=self.redis.url, nats_url=self.nats.url)

    def start(self) -> None:
        self.redis.start()
        self.nats.start()
        self.api.start()

    def close(self) -> None:
        for process in (self.api, self.nats, self.redis):
            process.close()

    def rest(self, who: Identity = identities.ADMIN, *, patience_seconds: float = 15.0) -> RestClient:
        return RestClient(load(self.api.kubeconfig(who)), user_agent="test", patience_seconds=patience_seconds)

    def settings(self, **changes: Any) -> ControllerSettings:
        given: dict[str, Any] = {"leader_elect": False, **changes}
        return ControllerSettings(
            kubeconfig=self.api.kubeconfig(identities.CONTROLLERS), nats_url=SecretStr(self.nats.agent_url), **given
        )

    @contextlib.asynccontextmanager
    async def controllers(self, **settings: Any) -> AsyncIterator[asyncio.Task[None]]:
        """The real ones, in this process, for the length of a block."""
        task = asyncio.create_task(serve(self.settings(**settings)), name="controllers")
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class ControllersProcess(Process):
    """The real ones, as a process that a test may kill."""

    def __init__(self, servers: Servers, name: str, **settings: str) -> None:
        self._environment = {
            "kubeconfig": str(servers.api.kubeconfig(identities.CONTROLLERS)),
            "nats_url": servers.nats.agent_url,
            "identity": name,
            "health_file": str(servers.directory / f"{name}.health"),
            **settings,
        }
        self.health = servers.directory / f"{name}.health"
        super().__init__(
            [sys.executable, "-P", "-m", "deploy.part", "controllers", name], servers.directory / f"{name}.log"
        )

    def spawn(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKBEAT_")}
        environment |= {f"BACKBEAT_{key.upper()}": value for key, value in self._environment.items()}
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment
            )

    def disarm(self) -> None:
        """Let the next start live."""
        self._environment.pop("crash_at", None)

    def stop_for_now(self) -> None:
        self.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.signal(signal.SIGCONT)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None


class Plane:
    """One test's view: a namespace of its own, an administrator's client, and nodes that do what the test says."""

    def __init__(self, servers: Servers, rest: RestClient, fleet: Fleet, namespace: str) -> None:
        self.servers = servers
        self.rest = rest
        self.fleet = fleet
        self.namespace = namespace

    async def get(self, ref: ResourceRef, name: str) -> Obj | None:
        try:
            return await self.rest.get(ref, name, namespace=self.namespace if ref.namespaced else "")
        except NotFound:
            return None

    async def list(self, ref: ResourceRef, *, selector: str = "") -> list[Obj]:
        namespace = self.namespace if ref.namespaced else ""
        return list((await self.rest.list(ref, namespace=namespace, label_selector=selector)).items)

    async def create(self, ref: ResourceRef, obj: Obj) -> Obj:
        made = {"apiVersion": ref.api_version, "kind": ref.kind, **obj}
        return await self.rest.create(ref, made, namespace=self.namespace if ref.namespaced else "")

    async def patch(self, ref: ResourceRef, name: str, patch: Obj) -> Obj:
        return await self.rest.patch(ref, name, patch, namespace=self.namespace if ref.namespaced else "")

    async def delete(self, ref: ResourceRef, name: str, **options: Any) -> Obj:
        return await self.rest.delete(ref, name, namespace=self.namespace if ref.namespaced else "", **options)

    async def change(self, ref: ResourceRef, name: str, change: Callable[[Obj], Obj], *, subresource: str = "") -> Obj:
        """Read, change, write, until nobody is faster."""
        while True:
            found = await self.rest.get(ref, name, namespace=self.namespace if ref.namespaced else "")
            with contextlib.suppress(Conflict):
                return await self.rest.update(ref, change(found), subresource=subresource)

    async def until(self, condition: Callable[[], Awaitable[bool]], *, what: str) -> None:
        await eventually(condition, timeout_seconds=PATIENCE_SECONDS, what=what)

    async def until_gone(self, ref: ResourceRef, name: str) -> None:
        async def gone() -> bool:
            return await self.get(ref, name) is None

        await self.until(gone, what=f"{ref.resource} {name} gone")

    async def sets(self) -> dict[int, Obj]:
        """The namespace's ReplicaSets by revision."""
        return {int(_annotations(rs).get(REVISION, 0)): rs for rs in await self.list(REPLICASETS)}

    async def until_rolled_out(self, name: str) -> Obj:
        """As `kubectl rollout status` judges."""
        found: list[Obj] = []

        async def complete() -> bool:
            deployment = await self.rest.get(DEPLOYMENTS, name, namespace=self.namespace)
            found[:] = [deployment]
            status, wanted = deployment.get("status", {}), deployment["spec"]["replicas"]
            return bool(
                status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
                and [status.get(f, 0) for f in ("updatedReplicas", "replicas", "availableReplicas")] == [wanted] * 3
            )

        await self.until(complete, what=f"deployment {name} rolled out")
        return found[0]

    async def active_pods(self) -> list[Obj]:
        return [pod for pod in await self.list(PODS) if not pod["metadata"].get("deletionTimestamp")]


REVISION = "deployment.kubernetes.io/revision"


def _annotations(obj: Obj) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"].get("annotations", {})
    return found


@contextlib.asynccontextmanager
async def plane_of(servers: Servers, *, nodes: int = 2) -> AsyncIterator[Plane]:
    """A namespace and nodes that are the test's own; both are taken away at the end."""
    suffix = secrets.token_hex(3)
    namespace = f"test-{suffix}"
    async with servers.rest() as rest:
        await rest.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        fleet = Fleet(rest, [f"node-{suffix}-{n}" for n in range(nodes)])
        async with fleet.running():
            yield Plane(servers, rest, fleet, namespace)


def deployment(name: str, replicas: int, *, image: str = "v1", **spec: Any) -> Obj:
    labels = {"app": name}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(image)},
            **spec,
        },
    }


def pod_spec(image: str = "v1") -> Obj:
    return {"containers": [{"name": "c", "image": image}], "terminationGracePeriodSeconds": 5}
