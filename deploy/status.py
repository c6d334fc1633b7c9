"""`backbeat status` and `backbeat down`: looking at, and ending, what runs on a data-dir."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from dataclasses import dataclass
from typing import Any

from deploy.datadir import DataDir
from deploy.errors import NotRunning, UserError
from deploy.health import Health, State, stamp
from deploy.identity import is_same, signal_same
from deploy.state import Holder, Lock, PlaneState, ProcessState, holder_of, read_state
from deploy.takeover import clean_up

DOWN_SECONDS = 15.0
"""The supervisor promises ten."""
KILLED_SECONDS = 5.0
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Row:
    process: ProcessState
    health: Health


def rows(data: DataDir) -> tuple[PlaneState, list[Row]]:
    """Raises NotRunning."""
    holder = holder_of(data.lock)
    state = read_state(data.state)
    if holder is None or state is None or state.pid != holder.pid:
        raise NotRunning(f"backbeat does not run on {data.root}; start it with `backbeat up --data-dir {data.root}`")
    return state, [Row(process, _health(process)) for process in state.processes]


def _health(process: ProcessState) -> Health:
    if not is_same(process.pid, process.born):
        return Health(State.STOPPED, process.last_exit or "being started")
    return process.probe.ask(started_at=process.started_at)


def to_json(state: PlaneState, found: list[Row]) -> str:
    document = {
        "phase": state.phase,
        "server": state.server,
        "pid": state.pid,
        "startedAt": stamp(state.started_at),
        "processes": [_entry(row) for row in found],
    }
    return json.dumps(document, indent=2)


def _entry(row: Row) -> dict[str, Any]:
    p = row.process
    return {
        "name": p.name,
        "pid": p.pid or None,
        "restarts": p.restarts,
        "health": str(row.health.state),
        "reason": row.health.reason,
        "startedAt": stamp(p.started_at) if p.started_at else None,
        "lastExit": p.last_exit or None,
    }


def age(seconds: float) -> str:
    """As kubectl shows ages, roughly."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if whole >= 2 * size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def down(data: DataDir) -> str:
    """End it; what to tell the user. Also ends what a killed supervisor left. Raises UserError."""
    holder = holder_of(data.lock)
    if holder is None:
        return asyncio.run(_clean_up_alone(data))
    signal_same(holder.pid, holder.born, signal.SIGTERM)
    if _gone(holder, DOWN_SECONDS):
        return f"stopped backbeat on {data.root}"
    signal_same(holder.pid, holder.born, signal.SIGKILL)
    if not _gone(holder, KILLED_SECONDS):
        raise UserError(f"the supervisor (pid {holder.pid}) does not end, not even killed")
    asyncio.run(_clean_up_alone(data))
    return f"killed the supervisor of {data.root}, which did not end in {DOWN_SECONDS:g} s, and what it ran"


def _gone(holder: Holder, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_same(holder.pid, holder.born):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True


async def _clean_up_alone(data: DataDir) -> str:
    if not data.lock.exists():
        return f"backbeat does not run on {data.root}, and never did"
    lock = Lock(data.lock)
    lock.acquire()
    try:
        left = read_state(data.state) is not None
        await clean_up(data, keep=())
        data.remove_short_directory()
    finally:
        lock.release()
    return f"cleaned up what was left on {data.root}" if left else f"backbeat does not run on {data.root}"
