"""Run one more command as a container runs: same environment, same working directory, a process group of its own.

It is a child of the kubelet and not of the shim: it ends with its timeout, and the container's end does not end it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from agents.kubelet.container_dir import StoredContainer
from agents.kubelet.runtime import ExecResult, RunAs, RuntimeFailure

MAX_OUTPUT = 10 * 1024
"""Upstream keeps as much of a probe's output."""


async def run_command(stored: StoredContainer, command: Sequence[str], *, timeout_seconds: float) -> ExecResult:
    """Raises RuntimeFailure when the command cannot be run. Output past 10 KiB is thrown away."""
    order = stored.order()
    program = _which(command[0], order["env"].get(b"PATH", os.defpath.encode()), order["cwd"])
    run_as = stored.config.run_as
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *command[1:],
            env=order["env"],
            cwd=order["cwd"],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            # NB: uvloop's subprocesses take no `user`, `group` and `extra_groups`.
            preexec_fn=None if run_as == RunAs() else partial(_become, run_as),
        )
    except OSError as err:
        raise RuntimeFailure(f'exec: "{command[0]}": {(err.strerror or str(err)).lower()}') from err
    return await _wait(process, timeout_seconds)


def _become(run_as: RunAs) -> None:
    """In the child, before its program: as the container's shim does it."""
    if run_as.groups:
        os.setgroups(run_as.groups)
    if run_as.gid is not None:
        os.setgid(run_as.gid)
    if run_as.uid is not None:
        os.setuid(run_as.uid)


async def _wait(process: asyncio.subprocess.Process, timeout_seconds: float) -> ExecResult:
    output = bytearray()
    reading = asyncio.create_task(_read(process, output), name="exec output")
    try:
        async with asyncio.timeout(timeout_seconds):
            code = await process.wait()
            await reading
            return ExecResult(128 - code if code < 0 else code, bytes(output))
    except TimeoutError:
        return ExecResult(137, bytes(output), timed_out=True)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        reading.cancel()
        await process.wait()


async def _read(process: asyncio.subprocess.Process, output: bytearray) -> None:
    if process.stdout is None:
        return
    while block := await process.stdout.read(4096):
        output += block[: MAX_OUTPUT - len(output)]


def _which(program: str, path: bytes, cwd: bytes) -> str:
    """The container's PATH decides, not ours."""
    here = Path(os.fsdecode(cwd))
    if "/" in program:
        return str(here / program)
    for folder in os.fsdecode(path).split(os.pathsep):
        candidate = here / folder / program
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise RuntimeFailure(f'exec: "{program}": executable file not found in $PATH')
