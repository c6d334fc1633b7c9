"""Containers as operating system processes, each under a shim of its own that outlives the kubelet.

    <state_dir>/pods/<uid>/sandbox.json      the pod's name and address
                          /containers/<id>/  see `container_dir`
                          /logs/<container>/<attempt>.log
                          /volumes/…         the kubelet's, see `volumes`

There is no image, no mount namespace and no limit on memory or CPU: a container is the command on this machine, as the
kubelet's user, in a process group of its own, with the pod's loopback address to listen on.

The disk is the truth. Whatever is killed, the next `start` finds what runs and what has ended: an unfinished
directory is thrown away, a container whose shim died is ended and reported with exit code 255, `Unknown`. Two
kubelets on one state_dir are refused by a lock.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path

import orjson
import structlog

from agents.kubelet import crilog
from agents.kubelet.addresses import AddressPool
from agents.kubelet.container_dir import ContainerDir, StoredContainer, write_private
from agents.kubelet.exec_process import run_command
from agents.kubelet.exits import Exits
from agents.kubelet.launch import Launcher
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

log = structlog.get_logger(__name__)

STOP_MARGIN_SECONDS = 10.0
"""How long past the grace period a shim may take to kill and record; then the runtime is at fault."""
LOOK_SECONDS = 0.02


class StateDirInUse(Exception):
    """Another kubelet works on this state_dir. Stop it, or take another directory."""


class ProcessRuntime:
    """See the module. Implements `Runtime`."""

    name = "process"

    def __init__(self, state_dir: Path, *, network: IPv4Network) -> None:
        self._state_dir = state_dir
        self._addresses = AddressPool(network)
        self._sandboxes: dict[PodUid, Sandbox] = {}
        self._containers: dict[ContainerId, tuple[PodUid, StoredContainer]] = {}
        self._ended: dict[ContainerId, Container] = {}  # an exit is final, so it is read once
        self._exits = Exits(self._on_exit)
        self._listener: Listener = lambda _: None
        self._lock = -1

    # The state_dir

    def listen(self, listener: Listener) -> None:
        self._listener = listener

    async def start(self) -> None:
        """Raises StateDirInUse."""
        self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock_state_dir(self._state_dir)
        self._launcher = Launcher(self._state_dir)
        for pod_dir in _pod_dirs(self._state_dir):
            self._recover_pod(pod_dir)

    async def close(self) -> None:
        self._exits.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _recover_pod(self, pod_dir: Path) -> None:
        sandbox = _read_sandbox(pod_dir)
        if sandbox is None:
            return  # the kubelet's directories of a pod whose sandbox was not made yet
        self._sandboxes[sandbox.config.uid] = sandbox
        if _has_own_address(sandbox):
            self._addresses.keep([sandbox.ip])
        for stored in _stored(pod_dir):
            self._containers[stored.directory.id] = (sandbox.config.uid, stored)
            self._recover_container(stored)

    def _recover_container(self, stored: StoredContainer) -> None:
        directory = stored.directory
        if directory.is_running():
            self._exits.watch(directory, int(directory.fields("process").get("shim", "0")))
        elif directory.fields("process") and not directory.fields("exit"):
            directory.bury()

    def _on_exit(self, directory: ContainerDir) -> None:
        """The shim is gone, so the container is."""
        known = self._containers.get(directory.id)
        if known is None:
            return
        if not directory.fields("exit"):
            directory.bury()
        self._listener(known[0])

    # Facts

    async def version(self) -> RuntimeVersion:
        return RuntimeVersion(self.name, ".".join(map(str, sys.version_info[:3])))

    async def status(self) -> RuntimeStatus:
        try:
            probe = self._state_dir / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as err:
            return RuntimeStatus(False, f"the state directory cannot be written: {err}")
        return RuntimeStatus(True)

    def node_address(self, node: str) -> str:
        return self._addresses.node_address

    # Sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        known = self._sandboxes.get(config.uid)
        if known is not None:
            return known
        ip = self.node_address(config.node) if config.host_network else self._addresses.take()
        sandbox = Sandbox(SandboxId(config.uid), config, ip, ready=True, created_at=datetime.now(UTC))
        (self._pod_dir(config.uid) / "containers").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._keep(sandbox)
        return sandbox

    def _keep(self, sandbox: Sandbox) -> None:
        write_private(self._pod_dir(sandbox.config.uid) / "sandbox.json", orjson.dumps(sandbox))
        self._sandboxes[sandbox.config.uid] = sandbox

    async def stop_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        running = [c for c in await self.list_containers(PodUid(sandbox_id)) if c.state is ContainerState.RUNNING]
        await asyncio.gather(*(self.stop_container(c.id, grace_seconds=0) for c in running))
        sandbox = self._sandboxes.get(PodUid(sandbox_id))
        if sandbox is not None and sandbox.ready:
            self._keep(replace(sandbox, ready=False))
            if _has_own_address(sandbox):
                self._addresses.free(sandbox.ip)

    async def remove_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        uid = PodUid(sandbox_id)
        await self.stop_pod_sandbox(sandbox_id)
        for id_ in [i for i, (pod, _) in self._containers.items() if pod == uid]:
            del self._containers[id_]
            self._ended.pop(id_, None)
        await asyncio.to_thread(_remove_tree, self._pod_dir(uid))
        self._sandboxes.pop(uid, None)

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]:
        return list(self._sandboxes.values())

    async def find_pod_sandbox(self, uid: PodUid) -> Sandbox | None:
        return self._sandboxes.get(uid)

    # Containers

    async def create_container(self, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerId:
        uid = PodUid(sandbox_id)
        if uid not in self._sandboxes:
            raise NoSuchContainer(f"no sandbox {sandbox_id}")
        directory = ContainerDir(self._pod_dir(uid) / "containers" / secrets.token_hex(32))
        log_path = self._pod_dir(uid) / "logs" / config.name / f"{config.attempt}.log"
        try:
            directory.create(config, log_path)
        except OSError as err:
            directory.remove()
            raise RuntimeFailure(f"cannot make the container's directory: {err}") from err
        stored = directory.read()
        if stored is None:
            raise RuntimeFailure("the container's directory was removed by someone else")
        self._containers[directory.id] = (uid, stored)
        return directory.id

    async def start_container(self, container_id: ContainerId) -> None:
        _, stored = self._find(container_id)
        if stored.directory.fields("process"):
            raise RuntimeFailure(f"container {container_id} was started before")
        pid = await asyncio.to_thread(self._launcher.start, stored)
        self._exits.watch(stored.directory, pid, ours=True)

    async def stop_container(self, container_id: ContainerId, *, grace_seconds: float) -> None:
        known = self._containers.get(container_id)
        if known is None:
            return
        directory = known[1].directory
        deadline = time.monotonic() + grace_seconds + STOP_MARGIN_SECONDS
        asked = directory.ask_to_stop(grace_seconds)
        while directory.is_running():
            if time.monotonic() > deadline:
                raise RuntimeFailure(f"container {container_id} did not end after SIGKILL")
            asked = asked or directory.ask_to_stop(grace_seconds)
            await asyncio.sleep(LOOK_SECONDS)
        if directory.fields("process") and not directory.fields("exit"):
            directory.bury()

    async def remove_container(self, container_id: ContainerId) -> None:
        known = self._containers.get(container_id)
        if known is None:
            return
        _, stored = known
        if stored.directory.is_running():
            raise RuntimeFailure(f"container {container_id} is running")
        self._containers.pop(container_id, None)
        self._ended.pop(container_id, None)
        await asyncio.to_thread(_remove_container, stored)

    async def list_containers(self, uid: PodUid) -> Sequence[Container]:
        found = [self._observe(uid, stored) for pod, stored in list(self._containers.values()) if pod == uid]
        return sorted(found, key=lambda c: (c.created_at, c.attempt))

    def _observe(self, uid: PodUid, stored: StoredContainer) -> Container:
        ended = self._ended.get(stored.directory.id)
        if ended is not None:
            return ended
        seen = stored.observe(pod_uid=uid, sandbox_id=SandboxId(uid))
        if seen.state is ContainerState.EXITED:
            self._ended[seen.id] = seen
        return seen

    # Inside containers

    async def exec_sync(
        self, container_id: ContainerId, command: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        _, stored = self._find(container_id)
        if not stored.directory.is_running():
            raise RuntimeFailure(f"container {container_id} is not running")
        return await run_command(stored, command, timeout_seconds=timeout_seconds)

    async def read_logs(self, container_id: ContainerId, options: LogOptions) -> AsyncIterator[bytes]:
        _, stored = self._find(container_id)

        async def ended() -> bool:
            return bool(stored.directory.fields("exit")) or container_id not in self._containers

        async for block in crilog.read(stored.log_path, options, ended=ended):
            yield block

    def _find(self, container_id: ContainerId) -> tuple[PodUid, StoredContainer]:
        known = self._containers.get(container_id)
        if known is None:
            raise NoSuchContainer(f"no container {container_id}")
        return known

    def _pod_dir(self, uid: PodUid) -> Path:
        return self._state_dir / "pods" / uid


def stop_everything(state_dir: Path, *, grace_seconds: float) -> int:
    """Stop every container under a kubelet's state_dir, for the launcher once that kubelet is gone. How many there
    were. Returns when all have ended; a container that a kubelet starts meanwhile is not seen."""
    running = [s.directory for pod in _pod_dirs(state_dir) for s in _stored(pod) if s.directory.is_running()]
    waiting = [d for d in running if not d.ask_to_stop(grace_seconds)]
    deadline = time.monotonic() + grace_seconds + STOP_MARGIN_SECONDS
    while any(d.is_running() for d in running):
        if time.monotonic() > deadline:
            raise RuntimeFailure(f"{sum(d.is_running() for d in running)} containers did not end after SIGKILL")
        waiting = [d for d in waiting if d.is_running() and not d.ask_to_stop(grace_seconds)]
        time.sleep(LOOK_SECONDS)
    return len(running)


def _lock_state_dir(state_dir: Path) -> int:
    descriptor = os.open(state_dir / "kubelet.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as err:
        os.close(descriptor)
        raise StateDirInUse(f"another kubelet works on {state_dir}") from err
    return descriptor


def _pod_dirs(state_dir: Path) -> list[Path]:
    pods = state_dir / "pods"
    return sorted(p for p in pods.iterdir() if p.is_dir()) if pods.is_dir() else []


def _read_sandbox(pod_dir: Path) -> Sandbox | None:
    try:
        stored = orjson.loads((pod_dir / "sandbox.json").read_bytes())
    except FileNotFoundError:
        return None
    created = datetime.fromisoformat(stored["created_at"])
    return Sandbox(SandboxId(stored["id"]), SandboxConfig(**stored["config"]), stored["ip"], stored["ready"], created)


def _has_own_address(sandbox: Sandbox) -> bool:
    return sandbox.ready and not sandbox.config.host_network


def _stored(pod_dir: Path) -> list[StoredContainer]:
    """The pod's containers; an unfinished directory is removed on the way."""
    found = []
    containers = pod_dir / "containers"
    for path in sorted(containers.iterdir()) if containers.is_dir() else ():
        directory = ContainerDir(path)
        stored = directory.read()
        if stored is None:
            directory.remove()
        else:
            found.append(stored)
    return found


def _remove_container(stored: StoredContainer) -> None:
    for path in crilog.files(stored.log_path):
        with suppress(FileNotFoundError):
            path.unlink()
    stored.directory.remove()


def _remove_tree(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as err:
        raise RuntimeFailure(f"cannot remove the pod's directory: {err}") from err
