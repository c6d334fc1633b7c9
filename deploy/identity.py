"""Is a pid still the process that it was? A number alone may have been given to somebody else.

A process is told by its *birth*: on Linux the boot and the kernel's count of ticks at which it began, which no change
of the clock moves; elsewhere the time at which it began.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def birth(pid: int) -> str:
    """Empty when there is no such process, or when it has ended and was only not waited for yet."""
    return _birth_on_linux(pid) if sys.platform.startswith("linux") else _birth_elsewhere(pid)


def _birth_on_linux(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        boot = _BOOT_ID.read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] in (b"Z", b"X") else f"{boot}:{fields[19].decode()}"


def _birth_elsewhere(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return ""


def is_same(pid: int, born: str) -> bool:
    return pid > 0 and born != "" and birth(pid) == born


def signal_same(pid: int, born: str, number: signal.Signals) -> bool:
    """False when it is gone."""
    if not is_same(pid, born):
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
