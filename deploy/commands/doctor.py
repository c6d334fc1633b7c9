"""`backbeat doctor`: is what must hold true? A table of checks; exit code 1 where something is wrong."""

from __future__ import annotations

from contextlib import aclosing

import typer

from agents.client.transport import ApiUnavailable
from deploy.commands.care import Obj, Shown, told
from deploy.commands.output import Output
from deploy.commands.plane import Plane

PATH = "/backbeat/doctor"
_WIDTHS = (15, 8)


async def doctor(plane: Plane, *, json: bool) -> None:
    """Raises typer.Exit, StatusError."""
    output = Output(live=True)
    checks: list[Obj] = []
    end: Obj | None = None
    async with aclosing(told(plane, PATH, shown=None if json else Shown())) as lines:
        async for line in lines:
            if "end" in line:
                end = line["end"]
                continue
            checks.append(line)
            if not json:
                _show(output, line, first=len(checks) == 1)
    if end is None:
        raise ApiUnavailable("the API server ended before it had looked at everything")
    if json:
        output.json({**end, "checks": checks})
    if not end["ok"]:
        raise typer.Exit(1)


def _show(output: Output, check: Obj, *, first: bool) -> None:
    if first:
        output.line((_row("CHECK", "STATE") + "FOUND", "bold"))
    state, colour = ("ok", "green") if check["ok"] else ("FAILED", "bold red")
    output.line((check["check"].ljust(_WIDTHS[0]), ""), (state.ljust(_WIDTHS[1]), colour), (check["found"], ""))
    indent = " " * sum(_WIDTHS)
    for detail in check["details"]:
        output.line((f"{indent}  {detail}", "dim"))
    if check["advice"]:
        output.line((f"{indent}→ {check['advice']}", "yellow"))


def _row(*cells: str) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True))
