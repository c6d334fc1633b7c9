"""`backbeat repair`: says what it would do, and does it when it is told to."""

from __future__ import annotations

import sys
from contextlib import aclosing
from dataclasses import dataclass, field

import typer

from deploy.commands.care import Obj, Shown, told
from deploy.commands.output import Output, note
from deploy.commands.plane import Plane
from deploy.errors import UserError

PATH = "/backbeat/repair"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOptions:
    source: str = ""
    """`stream`, `record`, or empty: as the server thinks right."""
    yes: bool = False
    accept_loss: bool = False
    json: bool = False


@dataclass(slots=True)
class _Plan:
    steps: list[Obj] = field(default_factory=list)
    choose: str = ""
    done: list[str] = field(default_factory=list)
    finished: bool = False

    def take(self, line: Obj) -> None:
        if "step" in line:
            self.steps.append(line)
        elif "choose" in line:
            self.choose = line["choose"]
        elif "done" in line:
            self.done.append(line["done"])
        elif "end" in line:
            self.finished = bool(line["end"]["done"])

    def document(self) -> Obj:
        return {"steps": self.steps, "choose": self.choose, "done": self.done, "finished": self.finished}


async def repair(plane: Plane, options: RepairOptions) -> None:
    """Raises UserError, StatusError, typer.Exit."""
    output = Output(live=True)
    plan = await _ask(plane, options, "GET")
    if not options.json:
        _show(output, plan)
    if plan.steps and not plan.choose and _may_begin(plan, options):
        plan = await _ask(plane, options, "POST")
        if not options.json:
            output.line(("Done. `backbeat doctor` looks at everything again.", "green"))
    if options.json:
        output.json(plan.document())
    if (plan.steps or plan.choose) and not plan.finished:
        raise typer.Exit(1)


async def _ask(plane: Plane, options: RepairOptions, method: str) -> _Plan:
    query = {"from": options.source, "acceptLoss": "true" if options.accept_loss else ""}
    plan = _Plan()
    shown = None if options.json else Shown()
    given = {key: value for key, value in query.items() if value}
    async with aclosing(told(plane, PATH, method=method, query=given, shown=shown)) as lines:
        async for line in lines:
            plan.take(line)
    if method == "POST" and not plan.finished:
        why = plan.choose or "what there is to be done has changed meanwhile, and would lose something; look again"
        raise UserError(why)
    return plan


def _may_begin(plan: _Plan, options: RepairOptions) -> bool:
    """Raises UserError."""
    if any(step["loses"] for step in plan.steps) and not options.accept_loss:
        if options.yes:
            raise UserError("something would be lost, as is said above; --accept-loss says that this is meant")
        note("Nothing was done. --yes --accept-loss does it.")
        return False
    if options.yes:
        return True
    if sys.stdin.isatty() and not options.json:
        return typer.confirm("Do it?")
    note("Nothing was done. --yes does it.")
    return False


def _show(output: Output, plan: _Plan) -> None:
    if not plan.steps and not plan.choose:
        output.line(("There is nothing to repair.", "green"))
    for number, step in enumerate(plan.steps, 1):
        output.line((f"{number}. {step['what']}", ""))
        if step["loses"]:
            output.line((f"   loses {step['loses']}", "bold red"))
    if plan.choose:
        output.line((plan.choose, "yellow"))
