"""Is a process well? Asked by the supervisor while it starts and by `backbeat status`, with the same answer.

Our own processes write a health file every two seconds: {"ready": bool, "reason": str, "time": RFC 3339}. A file
that is older than STALE_SECONDS means that its process hangs. Redis and NATS are asked over their own sockets.
"""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from apiserver.store import acl

ANSWER_SECONDS = 1.0
STALE_SECONDS = 10.0
"""Five times as long as a process that is well is silent. A slow machine must not look like a hanging process."""


class State(StrEnum):
    HEALTHY = "healthy"
    STARTING = "starting"
    """It runs and says why it is not ready."""
    UNHEALTHY = "unhealthy"
    """It runs and does not answer."""
    STOPPED = "stopped"
    """It does not run (now: it may be started again)."""


@dataclass(frozen=True, slots=True)
class Health:
    state: State
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.state is State.HEALTHY


HEALTHY = Health(State.HEALTHY)


@dataclass(frozen=True, slots=True)
class Probe:
    """How to ask one process: by `file`, by the unix socket `redis`, or by the port `nats`. One of them is given."""

    file: str = ""
    redis: str = ""
    nats: int = 0

    def forget(self) -> None:
        """Before a start: what an earlier life said does not count."""
        if self.file:
            Path(self.file).unlink(missing_ok=True)

    def ask(self, *, started_at: float) -> Health:
        """Blocks for up to ANSWER_SECONDS. `started_at`: wall clock, so that an earlier life's file is not believed."""
        if self.file:
            return of_file(Path(self.file), started_at=started_at, now=time.time())
        if self.redis:
            return _redis(self.redis)
        return _nats(self.nats)


def of_file(path: Path, *, started_at: float, now: float) -> Health:
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        when = datetime.fromisoformat(str(told["time"])).timestamp()
    except FileNotFoundError:
        return _silent(now - started_at)
    except (ValueError, KeyError, TypeError) as err:
        return Health(State.UNHEALTHY, f"its health file cannot be understood: {err}")
    if when < started_at:
        return _silent(now - started_at)
    if now - when > STALE_SECONDS:
        return _silent(now - when)
    if told.get("ready"):
        return HEALTHY
    return Health(State.STARTING, str(told.get("reason") or "starting"))


def _silent(seconds: float) -> Health:
    if seconds <= STALE_SECONDS:
        return Health(State.STARTING, "starting")
    return Health(State.UNHEALTHY, f"no sign of life for {seconds:.0f} s")


def _redis(path: str) -> Health:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_SECONDS)
            probe.connect(path)
            probe.sendall(f"AUTH {acl.PROBE} {acl.PROBE}\r\nPING\r\n".encode())
            with probe.makefile("rb") as answers:
                answers.readline(256)
                answer = answers.readline(256)
    except TimeoutError:
        return Health(State.UNHEALTHY, "it does not answer")
    except OSError as err:
        return Health(State.STARTING, f"cannot connect: {err.strerror or err}")
    if answer.startswith(b"+PONG"):
        return HEALTHY
    return Health(State.STARTING, answer.decode("utf-8", "replace").strip().lstrip("-"))


def _nats(port: int) -> Health:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as probe:
            greeting = probe.recv(16)
    except TimeoutError:
        return Health(State.UNHEALTHY, "it does not answer")
    except OSError as err:
        return Health(State.STARTING, f"cannot connect: {err.strerror or err}")
    return HEALTHY if greeting.startswith(b"INFO") else Health(State.STARTING, "it does not greet yet")


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
