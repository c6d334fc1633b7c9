"""A real etcd beside which the watch is measured, where there is one on the PATH (Debian's package `etcd-server`)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.common.plane import PlaneFailed
from benchmarks.common.servers import HOST
from deploy import leash, pki
from deploy.ports import free_port

UP_SECONDS = 60.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Etcd:
    pid: int
    port: int
    ca_file: str


def binary() -> str | None:
    return shutil.which("etcd")


def version(program: str) -> str:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.partition("\n")[0].rpartition(" ")[2]


@asynccontextmanager
async def etcd(program: str) -> AsyncIterator[Etcd]:
    """One member with its defaults, which write each put to disk before they answer, over TLS. Raises PlaneFailed."""
    with tempfile.TemporaryDirectory(prefix="bbe") as folder:
        certificates = Path(folder) / "pki"
        certificates.mkdir()
        found = pki.ensure(certificates)
        port = free_port()
        at, peers = f"https://{HOST}:{port}", f"http://{HOST}:{free_port(avoid=frozenset({port}))}"
        command = [
            program, "--name", "one", "--data-dir", f"{folder}/data", "--log-level", "error",
            "--listen-client-urls", at, "--advertise-client-urls", at,
            "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"one={peers}",
            "--cert-file", str(found.serving), "--key-file", str(found.serving_key),
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(*leashed(command), stderr=subprocess.DEVNULL)
        try:
            await _answers(port, process)
            yield Etcd(process.pid, port, str(found.ca))
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def leashed(command: Sequence[str]) -> list[str]:
    """It ends with this process, however that ends."""
    return [sys.executable, "-I", "-S", str(Path(leash.__file__)), str(os.getpid()), *command]


async def _answers(port: int, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while True:
        with socket.socket() as probe:
            probe.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(probe, (HOST, port))
            except OSError as err:
                if process.returncode is not None or time.monotonic() > deadline:
                    raise PlaneFailed("etcd did not start") from err
            else:
                return
        await asyncio.sleep(LOOK_SECONDS)
