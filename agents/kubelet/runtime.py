"""What the kubelet asks of whatever runs containers: the Container Runtime Interface's shape, in Python.

A pod has a *sandbox* (its address, its place for state); a sandbox has *containers*. A container is created once,
started once and exits once; running it again is another container with a higher attempt. A runtime MUST

- keep containers and sandboxes over a restart of the kubelet, and tell of them by `list_*`,
- report a container that ended meanwhile with its exit code, and never start one container twice,
- be idempotent in `stop_*` and `remove_*`: doing it again, or to what is gone, is success,
- call the listener soon after a container's state changed, by itself or by a call.

It knows nothing of restart policies, probes, volumes or the API. `process_runtime` runs operating system processes,
`sim_runtime` keeps containers in memory only.

    RuntimeFailure            the runtime could not do it; ask again with back-off
    ├── ConfigRefused         this container cannot be made as it is described (CreateContainerConfigError)
    ├── StartFailed           the container was made and its command could not be run (RunContainerError)
    └── NoSuchContainer       there is no container or sandbox of this id
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol

SandboxId = NewType("SandboxId", str)
ContainerId = NewType("ContainerId", str)
PodUid = NewType("PodUid", str)

Listener = Callable[[PodUid], None]
"""Called in the event loop with the pod whose containers changed. MUST not block."""


class RuntimeFailure(Exception):
    """The runtime could not do what was asked. Retry with back-off; the message is shown to users."""


class ConfigRefused(RuntimeFailure):
    """The container cannot be made as it is described. A retry helps only once something else changed."""


class StartFailed(RuntimeFailure):
    """The command could not be run. The container has exited with code 128."""


class NoSuchContainer(RuntimeFailure):
    """There is no container or sandbox of this id."""


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """`ready` False makes the node NotReady, with `message` as the reason."""

    ready: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    uid: PodUid
    namespace: str
    name: str
    node: str
    hostname: str
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: SandboxId
    config: SandboxConfig
    ip: str
    ready: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the host that the container is told of."""

    name: str
    container_path: str
    host_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class RunAs:
    """Whom a container runs as. None: whoever the runtime is."""

    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    name: str
    attempt: int  # how many containers of this name the pod had before; shown as restartCount
    image: str
    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""  # empty: a fresh scratch directory
    mounts: tuple[Mount, ...] = ()
    run_as: RunAs = RunAs()
    stop_signal: str = "SIGTERM"
    annotations: tuple[tuple[str, str], ...] = ()  # the pod's, for runtimes that read some


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container as the runtime sees it. Invariant: exited ⇔ `finished_at` is not None."""

    id: ContainerId
    sandbox_id: SandboxId
    pod_uid: PodUid
    name: str
    attempt: int
    image: str
    state: ContainerState
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    signal: int = 0
    reason: str = ""  # Completed, Error, StartError, Unknown
    message: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: bytes
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """As `PodLogOptions`: None means not given."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None


class Runtime(Protocol):
    """See the module. Every method raises RuntimeFailure."""

    @property
    def name(self) -> str:
        """The scheme of container ids: `process`, `sim`."""
        ...

    def listen(self, listener: Listener) -> None: ...

    async def start(self) -> None:
        """Find what is running already. Call once, before anything else."""
        ...

    async def close(self) -> None:
        """Let go; containers run on."""
        ...

    async def version(self) -> RuntimeVersion: ...

    async def status(self) -> RuntimeStatus: ...

    def node_address(self, node: str) -> str:
        """The node's own address: its InternalIP, and that of pods on the host's network."""
        ...

    async def run_pod_sandbox(self, config: SandboxConfig) -> Sandbox:
        """Make the pod's sandbox; the one it has, where it has one."""
        ...

    async def stop_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        """Kill what still runs in it, without grace, and give its address back. It is not ready any more."""
        ...

    async def remove_pod_sandbox(self, sandbox_id: SandboxId) -> None:
        """Stop it and forget it, with its containers, logs and scratch directories."""
        ...

    async def list_pod_sandboxes(self) -> Sequence[Sandbox]: ...

    async def find_pod_sandbox(self, uid: PodUid) -> Sandbox | None: ...

    async def create_container(self, sandbox_id: SandboxId, config: ContainerConfig) -> ContainerId: ...

    async def start_container(self, container_id: ContainerId) -> None: ...

    async def stop_container(self, container_id: ContainerId, *, grace_seconds: float) -> None:
        """Ask it to end, and kill it after the grace period. Returns when it has ended. A second call may shorten
        the grace of the first, never lengthen it."""
        ...

    async def remove_container(self, container_id: ContainerId) -> None:
        """Forget an exited or never started container and its log."""
        ...

    async def list_containers(self, uid: PodUid) -> Sequence[Container]:
        """The pod's containers, oldest first."""
        ...

    async def exec_sync(
        self, container_id: ContainerId, command: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult: ...

    def read_logs(self, container_id: ContainerId, options: LogOptions) -> AsyncIterator[bytes]: ...
