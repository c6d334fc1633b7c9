"""What runs on a data-dir, for everybody who looks from outside: `state.json`, and the lock that its writer holds.

The lock is the truth: the kernel lets go of it whatever ends the supervisor. The file is written whole each time that
something begins or ends; when nobody holds the lock, it tells what was left behind by a supervisor that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from deploy.errors import AlreadyRunning
from deploy.files import write_private
from deploy.health import Probe
from deploy.identity import birth, is_same

SETTLE_SECONDS = 1.0
"""How long a lock may be held by somebody who does not say who it is: one who looks, or who has just taken it."""
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ProcessState:
    name: str
    probe: Probe
    pid: int = 0
    """0 while it does not run."""
    born: str = ""
    started_at: float = 0.0
    restarts: int = 0
    last_exit: str = ""


@dataclass(frozen=True, slots=True)
class PlaneState:
    pid: int
    phase: str
    """`starting`, `ready` or `stopping`."""
    server: str
    started_at: float
    processes: tuple[ProcessState, ...] = ()


def write_state(path: Path, state: PlaneState) -> None:
    write_private(path, json.dumps(asdict(state)))


def read_state(path: Path) -> PlaneState | None:
    """None when there is none, or none that this version can read."""
    try:
        stored: dict[str, Any] = json.loads(path.read_bytes())
        processes = tuple(ProcessState(**{**p, "probe": Probe(**p["probe"])}) for p in stored.pop("processes"))
        return PlaneState(**stored, processes=processes)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


class Holder(NamedTuple):
    pid: int
    born: str


class Lock:
    """At most one supervisor on a data-dir. Held until `release`, or until the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """Raises AlreadyRunning."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self._try():
            holder = holder_of(self._path)
            if holder is not None or time.monotonic() > deadline:
                raise AlreadyRunning(_refusal(self._path.parent, holder))
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()} {birth(os.getpid())}\n".encode(), 0)

    def _try(self) -> bool:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def _refusal(root: Path, holder: Holder | None) -> str:
    who = f" (pid {holder.pid})" if holder else ""
    return (
        f"backbeat runs on {root} already{who}; stop it with `backbeat down --data-dir {root}`, "
        "or take another --data-dir"
    )


def is_held(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock. None when nobody does, or nobody whom we can name."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while is_held(path):
        words = path.read_text().split()
        if len(words) == 2 and words[0].isdigit() and is_same(int(words[0]), words[1]):
            return Holder(int(words[0]), words[1])
        if time.monotonic() > deadline:
            return None
        time.sleep(LOOK_SECONDS)
    return None
