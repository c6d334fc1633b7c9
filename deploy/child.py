"""Keep one process running: start it, wait for its end, start it again after a pause.

Each process leads a session of its own, so Ctrl-C in the terminal reaches the supervisor alone and the end stays in
order; whatever it left in its group is killed when it has ended. Its output goes to its log, which is put aside at a
start when it has grown large.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from deploy.backoff import Backoff
from deploy.health import Health, State
from deploy.identity import birth
from deploy.plan import Spec
from deploy.state import ProcessState

LOG_KEEP_BYTES = 20 * 1024 * 1024
KILL_SECONDS = 2.0
"""How long a killed process may take to be gone; longer means that the kernel holds it (a dead disk)."""
KEPT = frozenset({"BACKBEAT_CRASH_AT", "BACKBEAT_ALLOW_PLAINTEXT"})
"""Of the variables that begin with BACKBEAT_: what arms `broker.crashpoints`, and what the user says of the network."""


class Child:
    """`keep` until `stop`. `on_change` is called after each start and each end."""

    def __init__(
        self, spec: Spec, *, log: Path, on_change: Callable[[Child], None], backoff: Backoff | None = None
    ) -> None:
        self.spec = spec
        self.restarts = 0
        self.last_exit = ""
        self.exit_code: int | None = None
        """Of the last life; None before the first end. Negative: killed by that signal."""
        self.started_at = 0.0
        self.log = log
        self._on_change = on_change
        self._backoff = backoff or Backoff()
        self._process: asyncio.subprocess.Process | None = None
        self._born = ""
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def state(self) -> ProcessState:
        s = self.spec
        return ProcessState(s.name, s.probe, self.pid, self._born, self.started_at, self.restarts, self.last_exit)

    def ask(self) -> Health:
        """Blocks for up to a second."""
        if self._process is None:
            return Health(State.STOPPED, self.last_exit)
        return self.spec.probe.ask(started_at=self.started_at)

    async def keep(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._live()
            if self._stopping.is_set():
                return
            failures = self._backoff.failures_after(failures, ran_seconds=time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._backoff.delay_seconds(failures))
            self.restarts += 1

    async def _live(self) -> None:
        """One life of the process."""
        try:
            process = await self._start()
        except OSError as err:  # no memory, no disk, no process more: tried again like a process that ended
            self.last_exit = f"cannot be started: {err}"
            self._on_change(self)
            return
        self._process, self._born = process, birth(process.pid)
        if self._stopping.is_set():  # `stop` came while it was being started, and saw nothing to stop
            _send(process, signal.SIGKILL)
        self._on_change(self)
        try:
            code = await process.wait()
        finally:
            self._process, self._born = None, ""
        _kill_group(process.pid)
        self.exit_code, self.last_exit = code, describe_exit(code)
        self._on_change(self)

    async def _start(self) -> asyncio.subprocess.Process:
        self.spec.probe.forget()
        self.started_at = time.time()
        with open_log(self.log) as out:
            return await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**inherited(os.environ), **self.spec.environment},
                start_new_session=True,
                pass_fds=self.spec.inherits,
            )

    async def stop(self, *, grace_seconds: float) -> None:
        """SIGTERM, and SIGKILL when the grace is over. Returns when it is gone; `keep` returns then."""
        self._stopping.set()
        process = self._process
        if process is None:
            return
        _send(process, signal.SIGTERM)
        if not await _ends(process, grace_seconds):
            _send(process, signal.SIGKILL)
            await _ends(process, KILL_SECONDS)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def _ends(process: asyncio.subprocess.Process, seconds: float) -> bool:
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def open_log(path: Path) -> BinaryIO:
    """For appending; what is too long is put aside first, in place of what was put aside before."""
    if path.exists() and path.stat().st_size > LOG_KEEP_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "ab", buffering=0)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child gets of our environment: not what was meant for `backbeat up`, and no kubeconfig of the user's.
    Its PATH ends with this Python's folder, so that containers find a python3 on every machine."""
    kept = {k: v for k, v in environment.items() if k != "KUBECONFIG" and (k in KEPT or not k.startswith("BACKBEAT_"))}
    return {**kept, "PATH": os.pathsep.join([environment.get("PATH") or os.defpath, str(Path(sys.executable).parent)])}


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
