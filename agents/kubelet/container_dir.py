"""One container's directory: what the kubelet writes for its shim, and what the shim leaves there.

    config.json   what the container is (0600: its environment may hold secrets). Written last at creation, so a
                  directory without it was never finished and is thrown away
    lock          held by the shim for its whole life, from before its process exists: held means running. The kernel
                  lets go of it whatever kills the shim, so a pid that somebody else got later cannot mislead
    process       written by the shim: pid and start time of the command
    stop, exit    see `shim`
    work/         the scratch directory: working directory and HOME unless the pod says otherwise

The state follows from these files alone, so it is the same for whoever looks: the kubelet, its successor, the launcher.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from agents.kubelet import shim
from agents.kubelet.runtime import (
    Container,
    ContainerConfig,
    ContainerId,
    ContainerState,
    Mount,
    PodUid,
    RunAs,
    SandboxId,
)

log = structlog.get_logger(__name__)

LOG_MAX_BYTES = 10 * 1024 * 1024
LOG_MAX_FILES = 5
UNKNOWN_EXIT_CODE = 255
"""What containerd reports of a container whose end nobody saw."""


@dataclass(frozen=True, slots=True)
class ContainerDir:
    """Paths and contents. `path` is `<state_dir>/pods/<uid>/containers/<id>`."""

    path: Path

    @property
    def id(self) -> ContainerId:
        return ContainerId(self.path.name)

    @property
    def work(self) -> Path:
        return self.path / "work"

    def create(self, config: ContainerConfig, log_path: Path) -> None:
        self.path.mkdir(mode=0o700, parents=True)
        self.work.mkdir(mode=0o700)
        if config.run_as.uid is not None and os.geteuid() == 0:
            os.chown(self.work, config.run_as.uid, config.run_as.gid if config.run_as.gid is not None else -1)
        log_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "lock").touch(mode=0o600)
        stored = {"config": asdict(config), "log": str(log_path), "created_at": datetime.now(UTC).isoformat()}
        write_private(self.path / "config.json", orjson.dumps(stored))

    def read(self) -> StoredContainer | None:
        """None when the directory was never finished."""
        try:
            stored = orjson.loads((self.path / "config.json").read_bytes())
        except FileNotFoundError:
            return None
        return StoredContainer(
            self, config_from(stored["config"]), Path(stored["log"]), datetime.fromisoformat(stored["created_at"])
        )

    def fields(self, name: str) -> dict[str, str]:
        """A file of the shim's; empty when it has not been written."""
        try:
            text = (self.path / name).read_text("utf-8", "surrogateescape")
        except FileNotFoundError:
            return {}
        return dict(line.split("=", 1) for line in text.splitlines())

    def is_running(self) -> bool:
        """True from the moment its shim is being started until the shim is gone."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock and yield its descriptor. Raises BlockingIOError when the container is running."""
        descriptor = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield descriptor
        finally:
            os.close(descriptor)

    def ask_to_stop(self, grace_seconds: float) -> bool:
        """Tell the shim to stop its container. False when there is no shim (any more, or yet)."""
        pid = int(self.fields("process").get("shim", "0"))
        if pid == 0 or not self.is_running():
            return False
        write_private(self.path / "stop", str(grace_seconds).encode())
        return signal_if(pid, signal.SIGTERM, self.is_running)

    def bury(self) -> None:
        """The shim died without a word (kill -9, power cut): end what it left, and record an unknown end."""
        process = self.fields("process")
        pid, identity = int(process.get("pid", "0")), process.get("identity", "")
        if pid and identity and shim.identity(pid) == identity:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            log.warning("killed a container that had lost its shim", container=self.id, pid=pid)
        fields = {"exit_code": UNKNOWN_EXIT_CODE, "signal": 0, "reason": "Unknown", "finished_at": time.time_ns()}
        shim.record(str(self.path), "exit", {**fields, "message": "nobody saw how the container ended"})

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            log.warning("could not remove a container's directory", path=str(self.path))


@dataclass(frozen=True, slots=True)
class StoredContainer:
    """A container that exists, and how to see what it is doing."""

    directory: ContainerDir
    config: ContainerConfig
    log_path: Path
    created_at: datetime

    def observe(self, *, pod_uid: PodUid, sandbox_id: SandboxId) -> Container:
        # NB: look at the lock before the exit file. The other way round, a container that ends between the two looks
        # would seem to be neither.
        running = self.directory.is_running()
        process, exit_ = self.directory.fields("process"), self.directory.fields("exit")
        state = ContainerState.EXITED if exit_ else ContainerState.CREATED
        if running and not exit_:
            state = ContainerState.RUNNING
        return Container(
            id=self.directory.id,
            sandbox_id=sandbox_id,
            pod_uid=pod_uid,
            name=self.config.name,
            attempt=self.config.attempt,
            image=self.config.image,
            state=state,
            created_at=self.created_at,
            started_at=moment(process.get("started_at")) if exit_.get("reason") != "StartError" else None,
            finished_at=moment(exit_.get("finished_at")),
            exit_code=int(exit_.get("exit_code", "0")),
            signal=int(exit_.get("signal", "0")),
            reason=exit_.get("reason", ""),
            message=exit_.get("message", ""),
        )

    def order(self) -> dict[str, Any]:
        """What the shim reads, in the types that `marshal` knows."""
        config = self.config
        cwd = config.working_dir or str(self.directory.work)
        env = {os.fsencode(k): os.fsencode(v) for k, v in config.env}
        env.setdefault(b"HOME", os.fsencode(self.directory.work))
        return {
            "command": [os.fsencode(word) for word in config.command],
            "env": env,
            "cwd": os.fsencode(cwd),
            "log": os.fsencode(self.log_path),
            "max_bytes": LOG_MAX_BYTES,
            "max_files": LOG_MAX_FILES,
            "stop_signal": int(getattr(signal, config.stop_signal, signal.SIGTERM)),
            "uid": config.run_as.uid,
            "gid": config.run_as.gid,
            "groups": list(config.run_as.groups),
        }


def config_from(stored: dict[str, Any]) -> ContainerConfig:
    return ContainerConfig(
        **{
            **stored,
            "command": tuple(stored["command"]),
            "env": tuple((k, v) for k, v in stored["env"]),
            "mounts": tuple(Mount(**m) for m in stored["mounts"]),
            "run_as": RunAs(**{**stored["run_as"], "groups": tuple(stored["run_as"]["groups"])}),
            "annotations": tuple((k, v) for k, v in stored["annotations"]),
        }
    )


def moment(nanoseconds: str | None) -> datetime | None:
    if not nanoseconds:
        return None
    seconds, rest = divmod(int(nanoseconds), 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def write_private(path: Path, content: bytes) -> None:
    """Whole or not at all, and for nobody else's eyes."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    temporary.replace(path)


def signal_if(pid: int, number: signal.Signals, still_there: Any) -> bool:
    """Signal a process that `still_there()` vouches for. On Linux the number cannot change hands in between."""
    try:
        if hasattr(os, "pidfd_open"):
            descriptor = os.pidfd_open(pid)
            try:
                if not still_there():
                    return False
                signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
