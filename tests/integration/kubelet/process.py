"""Real kubelet processes beside a real API server; no scheduler: pods name their node themselves."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.client.resources import PODS
from agents.client.rest import RestClient
from agents.kubelet.container_dir import ContainerDir
from apiserver.api.status import NotFound
from deploy.identities import Identity
from tests.apiserver import HOST, ApiServer
from tests.conftest import eventually
from tests.integration.kubelet.node import container, is_ready
from tests.servers import Nats, Process

Obj = dict[str, Any]

WAIT_SECONDS = 90.0


class KubeletProcess(Process):
    """One kubelet on one directory, in as many lives as the test wants."""

    def __init__(
        self, directory: Path, server: ApiServer, nats: Nats, *, who: Identity, nodes: str, runtime: str = "process"
    ) -> None:
        self.root = directory / "kubelet"
        self._health = directory / "kubelet.health"
        settings = {
            "kubeconfig": str(server.kubeconfig(who)),
            "nats_url": nats.agent_url,
            "node_names": nodes,
            "runtime": runtime,
            "root_dir": str(self.root),
            "health_file": str(self._health),
        }
        self._variables = {f"BACKBEAT_{key.upper()}": value for key, value in settings.items()}
        super().__init__([sys.executable, "-P", "-m", "deploy.part", "kubelet", "kubelet"], directory / "kubelet.log")

    def spawn(self) -> None:
        self._health.unlink(missing_ok=True)
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **self._variables}
            )

    @property
    def ready(self) -> bool:
        return self._health.exists() and bool(json.loads(self._health.read_bytes())["ready"])

    async def start(self) -> None:
        self.spawn()
        await eventually(lambda: self.ready, timeout_seconds=WAIT_SECONDS, what="kubelet ready")

    def command_pids(self, uid: str) -> list[int]:
        """Of the pod's containers that run, as the disk says."""
        folder = self.root / "pods" / uid / "containers"
        found = [ContainerDir(path) for path in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(d.fields("process")["pid"]) for d in found if d.is_running() and d.fields("process"))


class Pods:
    """What a test does with pods, as the administrator."""

    def __init__(self, rest: RestClient, server: ApiServer) -> None:
        self._rest = rest
        self._server = server

    async def create(self, obj: Obj) -> str:
        """Returns its uid."""
        meta = {"name": obj["metadata"]["name"]}
        created = await self._rest.create(PODS, {**obj, "metadata": meta, "status": {}}, namespace="default")
        return str(created["metadata"]["uid"])

    async def get(self, name: str) -> Obj:
        return await self._rest.get(PODS, name, namespace="default")

    async def delete(self, name: str, *, grace: int | None = None) -> None:
        await self._rest.delete(PODS, name, namespace="default", grace_period_seconds=grace)

    async def status(self, name: str, condition: Callable[[Obj], bool], *, what: str) -> Obj:
        async def met() -> bool:
            return condition((await self.get(name)).get("status", {}))

        await eventually(met, timeout_seconds=WAIT_SECONDS, what=what)
        found: Obj = (await self.get(name))["status"]
        return found

    async def ready(self, name: str) -> Obj:
        return await self.status(name, is_ready, what=f"{name} Ready")

    async def restarted(self, name: str, times: int) -> Obj:
        def met(status: Obj) -> bool:
            return is_ready(status) and bool(container(status)["restartCount"] == times)

        return await self.status(name, met, what=f"{name} restarted {times} times")

    async def gone(self, name: str) -> None:
        async def met() -> bool:
            try:
                await self.get(name)
            except NotFound:
                return True
            return False

        await eventually(met, timeout_seconds=WAIT_SECONDS, what=f"{name} gone")

    def log(self, name: str, query: str = "") -> tuple[int, str]:
        """Blocks: call it in a thread."""
        connection = http.client.HTTPSConnection(
            HOST, self._server.port, timeout=30, context=self._server.ssl_context()
        )
        try:
            headers = {"Authorization": f"Bearer {self._server.token}"}
            connection.request("GET", f"/api/v1/namespaces/default/pods/{name}/log?{query}", headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()
