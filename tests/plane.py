"""A whole backbeat for tests: started by the command that users start it with, in a data-dir of its own.

with ControlPlane(tmp_path) as plane:
    plane.kubectl("apply", "-f", "examples/web.yaml")
    plane.kill("scheduler")
    wait_for(lambda: plane.get("pods")["items"], what="pods")
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil
import pytest

UP_SECONDS = 120.0
"""A test machine may be slow: several control planes start side by side on two cores."""
COMMAND_SECONDS = 120.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandFailed(AssertionError):
    """A command that should have succeeded did not."""


def run(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = COMMAND_SECONDS,
    cwd: Path | None = None,
) -> Ran:
    done = subprocess.run(
        list(command),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
        env={**clean_environment(), **(env or {})},
        cwd=cwd,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def clean_environment() -> dict[str, str]:
    """Without what would change the meaning of a command."""
    return {k: v for k, v in os.environ.items() if k != "KUBECONFIG" and not k.startswith("BACKBEAT_")}


def backbeat(*args: str | Path, **options: Any) -> Ran:
    """The command `backbeat`, of this environment."""
    return run([sys.executable, "-P", "-m", "deploy.cli", *map(str, args)], **options)


def kubectl_binary(version: str | None = None) -> Path:
    """The kubectl of a version such as `1.30`, else the one on the PATH. Skips the test where there is none."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl on the PATH")
    newest = Path(found).resolve()
    if version is None:
        return newest
    asked = newest.with_name(f"kubectl.{version}")
    if not asked.exists():
        pytest.skip(f"no {asked.name} beside {newest}")
    return asked


def kubectl_versions() -> list[str]:
    """The versions that lie beside the kubectl on the PATH: `1.30`, …"""
    found = shutil.which("kubectl")
    if found is None:
        return []
    names = [p.name.removeprefix("kubectl.") for p in Path(found).resolve().parent.glob("kubectl.1.*")]
    return sorted(names, key=lambda name: int(name.split(".")[1]))


class ControlPlane:
    """A running backbeat. As a context it is started at the beginning and gone, with its processes, at the end."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 2,
        runtime: str = "process",
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = directory / "backbeat"
        self._args = [f"--nodes={nodes}", f"--runtime={runtime}", *args]
        self._env = dict(env or {})

    def __enter__(self) -> ControlPlane:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def log(self, name: str) -> str:
        return (self.data_dir / "logs" / f"{name}.log").read_text()

    def up(self) -> Ran:
        """Start it, or start it again on the same data-dir. Raises CommandFailed."""
        ran = backbeat(
            "up", "--detach", "--port=0", f"--timeout={UP_SECONDS}", f"--data-dir={self.data_dir}", *self._args,
            env=self._env, timeout_seconds=UP_SECONDS + 30,
        )  # fmt: skip
        if ran.code != 0:
            raise CommandFailed(f"backbeat up: {ran.out}{ran.err}")
        return ran

    def down(self) -> Ran:
        ran = backbeat("down", f"--data-dir={self.data_dir}")
        if ran.code != 0:
            raise CommandFailed(f"backbeat down: {ran.out}{ran.err}")
        return ran

    def status(self) -> dict[str, Any]:
        """What `backbeat status -o json` says. Raises CommandFailed while it does not run."""
        ran = backbeat("status", "-o", "json", f"--data-dir={self.data_dir}")
        if ran.code != 0:
            raise CommandFailed(f"backbeat status: {ran.out}{ran.err}")
        found: dict[str, Any] = ran.json
        return found

    def process(self, name: str) -> dict[str, Any]:
        """One entry of the status."""
        for process in self.status()["processes"]:
            if process["name"] == name:
                found: dict[str, Any] = process
                return found
        raise KeyError(name)

    @property
    def names(self) -> list[str]:
        return [process["name"] for process in self.status()["processes"]]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Signal a process by its name in the status, and return its pid. Between two lives it is waited for."""
        pid = wait_for(lambda: self.process(name)["pid"], what=f"{name} to run")
        os.kill(pid, number)
        return int(pid)

    def wait_restarted(self, name: str, *, not_pid: int, timeout_seconds: float = 60.0) -> None:
        """Return once another process than `not_pid` is there under the name, and healthy."""

        def again() -> bool:
            found = self.process(name)
            return found["pid"] not in (None, not_pid) and found["health"] == "healthy"

        wait_for(again, timeout_seconds=timeout_seconds, what=f"{name} restarted")

    def kubectl(
        self, *args: str, version: str | None = None, stdin: str | None = None, check: bool = True, **options: Any
    ) -> Ran:
        """A real kubectl against this control plane. Raises CommandFailed unless `check` is False."""
        command = [str(kubectl_binary(version)), f"--kubeconfig={self.kubeconfig}", *args]
        home = self.data_dir.parent / "home"  # its discovery cache must not be shared with another control plane's
        home.mkdir(exist_ok=True)
        ran = run(command, stdin=stdin, env={"HOME": str(home)}, **options)
        if check and ran.code != 0:
            raise CommandFailed(f"kubectl {' '.join(args)}: {ran.err}{ran.out}")
        return ran

    def get(self, *args: str, **options: Any) -> Any:
        """`kubectl get … -o json`."""
        return self.kubectl("get", *args, "-o", "json", **options).json

    def processes(self) -> list[psutil.Process]:
        """Everything on this machine that belongs to this data-dir: also shims and containers."""
        return processes_of(self.data_dir)


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """By their command line, working directory or environment; those that may not be looked at are not counted."""
    mark = str(data_dir)
    return [process for process in psutil.process_iter() if process.pid != os.getpid() and _mentions(process, mark)]


def _mentions(process: psutil.Process, mark: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = [*process.cmdline(), process.cwd(), *process.environ().values()]
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
    return any(mark in word for word in words)


def wait_for(condition: Callable[[], T], *, timeout_seconds: float = 60.0, what: str = "condition") -> T:
    """The first true answer. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not reached in {timeout_seconds} s")
        time.sleep(0.05)
