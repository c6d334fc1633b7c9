"""Containers that are only state in memory: pods for thousands of nodes in one process.

A container starts at once, its sandbox after `start_delay_seconds`. It runs until it is stopped, or as the pod's
annotations say:

    backbeat.dev/sim-run-seconds: "5"    it ends by itself after that time
    backbeat.dev/sim-exit-code: "1"      with this code (default 0; alone: it ends at once)

either for all containers of the pod or, as `backbeat.dev/sim-exit-code.<container>`, for one. Stopping takes no time.
Everything is lost with the process: then containers that the API has heard of count as ended.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from zlib import crc32

from agents.kubelet.runtime import (
    Container,
    ContainerConfig,
    ContainerId,
    ContainerState,
    ExecResult,
    Listener,
    LogOptions,
    NoSuchContainer,
    PodUid,
    RuntimeFailure,
    RuntimeStatus,
    RuntimeVersion,
    Sandbox,
    SandboxConfig,
    SandboxId,
)

RUN_SECONDS = "backbeat.dev/sim-run-seconds"
EXIT_CODE = "backbeat.dev/sim-exit-code"
LEAVES = 254 * 256 * 256


class SimRuntime:
    """See the module. Implements `Runtime`."""

    name = "sim"

    def __init__(self, *, start_delay_seconds: float = 0.0) -> None:
        self._start_delay = start_delay_seconds
        self._sandboxes: dict[PodUid, Sandbox] = {}
        self._containers: dict[PodUid, dict[ContainerId, Container]] = {}
        self._configs: dict[ContainerId, ContainerConfig] = {}
        self._owner: dict[ContainerId, PodUid] = {}
        self._ends: dict[ContainerId, asyncio.TimerHandle] = {}
        self._ips: set[str] = set()
        self._next_ip = 0
        self._listener: Listener = lambda _: None

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    async def start(self) -> None:
        """Nothing is left of an earlier process."""

    async def close(self) -> None:
        for handle in self._ends.values():
            handle.cancel()
        self._ends.clear()

    async def version(self) -> RuntimeVersion:
        return RuntimeVersion(self.name, "1")

    async def status(self) -> RuntimeStatus:
        return RuntimeStatus(True)

    def node_address(self, node: str) -> str:
        """Stable, out of 10.0.0.0/16; not unique for certain."""
        number = crc32(node.encode()) % 65_000
        return f"10.0.{number >> 8}.{1 + number % 254}"

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        known = self._sandboxes.get(config.uid)
        if known is not None:
            return known
        if self._start_delay:
            await asyncio.sleep(self._start_delay)
        ip = self.node_address(config.node) if config.host_network else self._take_ip()
        sandbox = Sandbox(SandboxId(config.uid), config, ip, ready=True, created_at=datetime.now(UTC))
        self._sandboxes[config.uid] = sandbox
        self._containers[config.uid] = {}
        return sandbox

    def _take_ip(self) -> str:
        """The next of 10.1.0.0 to 10.254.255.255 that is free."""
        while True:
            number = self._next_ip % LEAVES
            self._next_ip += 1
            ip = f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
            if number & 255 not in (0, 255) and ip not in self._ips:
                self._ips.add(ip)
                return ip

    async def stop_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        for container in list(self._containers.get(PodUid(sandbox_id), {}).values()):
            await self.stop_container(container.id, grace_seconds=0)
        sandbox = self._sandboxes.get(PodUid(sandbox_id))
        if sandbox is not None and sandbox.ready:
            self._sandboxes[PodUid(sandbox_id)] = replace(sandbox, ready=False)
            self._ips.discard(sandbox.ip)

    async def remove_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        uid = PodUid(sandbox_id)
        await self.stop_pod_sandbox(sandbox_id)
        for id_ in list(self._containers.get(uid, {})):
            self._drop(id_)
        self._containers.pop(uid, None)
        self._sandboxes.pop(uid, None)

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]:
        return list(self._sandboxes.values())

    async def find_pod_sandbox(self, uid: PodUid) -> Sandbox | None:
        return self._sandboxes.get(uid)

    async def create_container(self, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerId:
        uid = PodUid(sandbox_id)
        if uid not in self._sandboxes:
            raise NoSuchContainer(f"no sandbox {sandbox_id}")
        id_ = ContainerId(secrets.token_hex(32))
        self._configs[id_] = config
        self._owner[id_] = uid
        self._containers[uid][id_] = Container(
            id=id_,
            sandbox_id=sandbox_id,
            pod_uid=uid,
            name=config.name,
            attempt=config.attempt,
            image=config.image,
            state=ContainerState.CREATED,
            created_at=datetime.now(UTC),
        )
        return id_

    async def start_container(self, container_id: ContainerId) -> None:
        found = self._get(container_id)
        if found.state is not ContainerState.CREATED:
            raise RuntimeFailure(f"container {container_id} was started before")
        self._put(replace(found, state=ContainerState.RUNNING, started_at=datetime.now(UTC)))
        ends_after, code = _script(self._configs[container_id])
        if ends_after is not None:
            loop = asyncio.get_running_loop()
            self._ends[container_id] = loop.call_later(ends_after, self._end, container_id, code)

    def _end(self, container_id: ContainerId, code: int) -> None:
        self._ends.pop(container_id, None)
        found = self._get(container_id)
        if found.state is not ContainerState.RUNNING:
            return
        reason = "Error" if code else "Completed"
        now = datetime.now(UTC)
        self._put(replace(found, state=ContainerState.EXITED, finished_at=now, exit_code=code, reason=reason))
        self._listener(found.pod_uid)

    async def stop_container(self, container_id: ContainerId, *, grace_seconds: float) -> None:
        if container_id not in self._owner:
            return
        handle = self._ends.pop(container_id, None)
        if handle is not None:
            handle.cancel()
        self._end(container_id, 143 if grace_seconds > 0 else 137)

    async def remove_container(self, container_id: ContainerId) -> None:
        if container_id not in self._owner:
            return
        if self._get(container_id).state is ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} is running")
        self._drop(container_id)

    async def list_containers(self, uid: PodUid) -> Sequence[Container]:
        return list(self._containers.get(uid, {}).values())

    async def exec_sync(
        self, container_id: ContainerId, command: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        raise RuntimeFailure("a simulated container runs nothing")

    async def read_logs(self, container_id: ContainerId, options: LogOptions) -> AsyncIterator[bytes]:
        found = self._get(container_id)
        line = f"simulated container {found.name}, attempt {found.attempt}, {found.state}\n".encode()
        stamp = (found.started_at or found.created_at).strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode()
        yield ((stamp if options.timestamps else b"") + line)[: options.limit_bytes]
        while options.follow and found.state is ContainerState.RUNNING and container_id in self._owner:
            await asyncio.sleep(0.5)
            found = self._get(container_id) if container_id in self._owner else found

    def _get(self, container_id: ContainerId) -> Container:
        uid = self._owner.get(container_id)
        if uid is None:
            raise NoSuchContainer(f"no container {container_id}")
        return self._containers[uid][container_id]

    def _put(self, container: Container) -> None:
        self._containers[container.pod_uid][container.id] = container

    def _drop(self, container_id: ContainerId) -> None:
        handle = self._ends.pop(container_id, None)
        if handle is not None:
            handle.cancel()
        uid = self._owner.pop(container_id)
        self._configs.pop(container_id)
        self._containers[uid].pop(container_id)


def _script(config: ContainerConfig) -> tuple[float | None, int]:
    """After how long a container ends by itself (None: never), and how."""
    notes = dict(config.annotations)
    seconds = notes.get(f"{RUN_SECONDS}.{config.name}", notes.get(RUN_SECONDS))
    code = notes.get(f"{EXIT_CODE}.{config.name}", notes.get(EXIT_CODE))
    if seconds is None and code is None:
        return None, 0
    try:
        return max(0.0, float(seconds or 0)), int(code or 0)
    except ValueError as err:
        raise RuntimeFailure(f"{RUN_SECONDS} and {EXIT_CODE} take numbers: {err}") from err
