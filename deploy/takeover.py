"""What a supervisor that was killed left behind is ended, before the next one starts or because of `backbeat down`."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Collection
from pathlib import Path

from deploy import containers
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.identity import is_same, signal_same
from deploy.state import PlaneState, read_state

GONE_SECONDS = 5.0
LOOK_SECONDS = 0.02


async def clean_up(data: DataDir, *, keep: Collection[str]) -> None:
    """Only with the lock held. The containers of the nodes `keep` stay: their kubelets find them. Raises UserError."""
    left = read_state(data.state)
    if left is not None:
        await _end_processes(left)
    folders = [folder for folder in containers.with_containers(data.nodes) if folder.name not in keep]
    if folders:
        await asyncio.to_thread(_stop_containers, data, folders)
    data.state.unlink(missing_ok=True)


async def _end_processes(left: PlaneState) -> None:
    """On Linux they have died with their supervisor; this is for elsewhere, and for the moment in which they die."""
    living = [p for p in left.processes if signal_same(p.pid, p.born, signal.SIGKILL)]
    async with asyncio.timeout(GONE_SECONDS):
        while any(is_same(p.pid, p.born) for p in living):
            await asyncio.sleep(LOOK_SECONDS)


def _stop_containers(data: DataDir, folders: list[Path]) -> None:
    process = containers.start_stopping(folders, log=data.logs / "containers.log")
    try:
        code = process.wait(containers.PATIENCE_SECONDS * 2)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code != 0:
        raise UserError(f"some containers of nodes that are no more did not end; see {data.logs / 'containers.log'}")
