"""`backbeat status` for people."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from deploy.health import State
from deploy.state import PlaneState
from deploy.status import Row, age

COLOURS = {State.HEALTHY: "green", State.STARTING: "yellow", State.UNHEALTHY: "red", State.STOPPED: "red"}


def show(state: PlaneState, rows: list[Row], *, console: Console | None = None) -> None:
    out = console or Console(highlight=False)
    now = time.time()
    out.print(f"backbeat {state.phase}: {state.server}, supervisor {state.pid}, up {age(now - state.started_at)}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("NAME", no_wrap=True)
    for header in ("PID", "RESTARTS", "AGE"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("HEALTH", no_wrap=True)
    table.add_column("REASON")
    for row in rows:
        table.add_row(*_cells(row, now))
    out.print(table)


def _cells(row: Row, now: float) -> tuple[str, ...]:
    process, health = row.process, row.health
    colour = COLOURS[health.state]
    began = age(now - process.started_at) if process.pid else "-"
    last = f"last end: {process.last_exit}" if process.last_exit else ""
    why = health.reason or last
    return (
        process.name,
        str(process.pid or "-"),
        str(process.restarts),
        began,
        f"[{colour}]{health.state}[/]",
        why.replace("[", "\\["),
    )
