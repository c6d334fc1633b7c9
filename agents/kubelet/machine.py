"""What this machine is and has: the facts behind a node's capacity, nodeInfo and pressure conditions."""

from __future__ import annotations

import os
import platform
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What does not change while the kubelet runs."""

    operating_system: str
    architecture: str
    cpus: int
    memory_bytes: int
    disk_bytes: int
    machine_id: str
    boot_id: str
    kernel: str
    os_image: str


@dataclass(frozen=True, slots=True)
class Free:
    """What is left right now."""

    memory_bytes: int
    disk_bytes: int
    pids: int


def machine(root_dir: Path) -> Machine:
    return Machine(
        operating_system=platform.system().lower(),
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        cpus=_cpus(),
        memory_bytes=psutil.virtual_memory().total,
        disk_bytes=shutil.disk_usage(root_dir).total,
        machine_id=_first_line("/etc/machine-id") or uuid.uuid5(uuid.NAMESPACE_DNS, platform.node()).hex,
        boot_id=_first_line("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
    )


def free(root_dir: Path) -> Free:
    limit = _first_line("/proc/sys/kernel/pid_max")
    pids = int(limit) - len(psutil.pids()) if limit.isdigit() else 2**15
    return Free(psutil.virtual_memory().available, shutil.disk_usage(root_dir).free, pids)


def _cpus() -> int:
    """Those that this process may use: what a container of it can get."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _os_image() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return platform.platform(terse=True)


def _first_line(path: str) -> str:
    try:
        with Path(path).open() as file:
            return file.readline().strip()
    except OSError:
        return ""
