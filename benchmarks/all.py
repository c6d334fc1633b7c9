"""All benchmarks one after the other, or one of them, beside their last results: `make bench`, `make bench ONLY=reads`.

Each is a process of its own, and says at its top what it measures. `benchmarks/results/` gets a JSON file for each, all
tables (`tables.md`), plots as PNG and one page with everything (`index.html`). What stood there before is compared
with: a figure is better or worse when it moved by more than the noise of its kind (`benchmarks/common/compare.py`).
kube-apiserver's figures beside ours were measured once and earlier, on the same kind of machine; no run measures them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from benchmarks.common.compare import Results, Verdict, comparable, compare
from benchmarks.common.page import write_page, write_tables
from benchmarks.common.plots import NoMatplotlib
from benchmarks.common.reference import KUBERNETES, NAME, NOTE
from benchmarks.common.report import OUT, PROGRESS, WIDE, as_text, table

BENCHMARKS = ("fanout", "writes", "reads", "pods", "restart")
RESULTS = Path(__file__).parent / "results"
_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.SAME: "dim"}


def main(
    context: typer.Context,
    *,
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(BENCHMARKS)}.")] = "",
    out: Annotated[Path, typer.Option(help="A folder for the results; what is in it is compared with.")] = RESULTS,
) -> None:
    """Run benchmarks, write their results, compare. Further arguments go to each benchmark that is run."""
    names = [name for name in (only.split(",") if only else BENCHMARKS) if _is_there(name)]
    out.mkdir(parents=True, exist_ok=True)
    before, tables = read_all(out), {}
    failed = []
    for number, name in enumerate(names, 1):
        PROGRESS.print(f"[bold]{name}[/] ({number} of {len(names)})")
        told = run(name, context.args, out)
        if told is None:
            failed.append(name)
        else:
            tables[name] = told
            OUT.print(told, soft_wrap=True, markup=False)
    now = read_all(out)
    show(before, {name: now[name] for name in tables})
    publish(out, now, tables)
    if failed:
        PROGRESS.print(f"without a result: {', '.join(failed)}")
        raise SystemExit(1)


def _is_there(name: str) -> bool:
    return (Path(__file__).parent / f"{name}.py").exists()


def run(name: str, arguments: Sequence[str], out: Path) -> str | None:
    """What it printed; None when it has failed, and said why on standard error."""
    command = [sys.executable, "-m", f"benchmarks.{name}", f"--json={out / f'{name}.json'}", *arguments]
    wide = {**os.environ, "COLUMNS": str(WIDE)}
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1], env=wide, check=False
    )
    if ran.returncode:
        return None
    (out / f"{name}.txt").write_text(ran.stdout)
    return ran.stdout


def read_all(folder: Path) -> dict[str, Results]:
    files = {name: folder / f"{name}.json" for name in BENCHMARKS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def publish(out: Path, results: Mapping[str, Results], tables: Mapping[str, str]) -> None:
    """Of the benchmarks that were not run now, what they told last."""
    texts = {name: out / f"{name}.txt" for name in BENCHMARKS}
    everything = {name: tables.get(name) or file.read_text() for name, file in texts.items() if file.exists()}
    everything[NAME] = as_text(beside_kubernetes(results))
    write_tables(out, everything)
    try:
        write_page(out, results, everything)
    except NoMatplotlib as err:
        PROGRESS.print(str(err))


def show(before: Mapping[str, Results], now: Mapping[str, Results]) -> None:
    OUT.print("", beside_kubernetes(now), NOTE, sep="\n")
    for name, results in now.items():
        if name not in before:
            OUT.print(f"\n{name}: there are no results from before")
        elif why := comparable(before[name], results):
            OUT.print(f"\n{name} is not compared with the last result: {why}")
        else:
            OUT.print("", compared(name, before[name], results), sep="\n")


def compared(name: str, before: Results, now: Results) -> Table:
    """Only the figures that moved; the number of the others is told in the title."""
    found = compare(before, now)
    moved = [one for one in found if one.verdict is not Verdict.SAME]
    when = before.get("date", "an unknown date")
    made = table(
        f"{name}: {len(moved)} of {len(found)} figures moved beyond noise since {when}",
        "row", "figure", "before", "now", "ratio", "",
    )  # fmt: skip
    for one in moved:
        ratio = f"{one.ratio:.2f}" if one.ratio is not None else ""
        cells = (one.row, one.figure, f"{one.before:,.4g}", f"{one.now:,.4g}", ratio, one.verdict)
        made.add_row(*cells, style=_STYLES[one.verdict])
    return made


def beside_kubernetes(results: Mapping[str, Results]) -> Table:
    made = table(f"Beside {NAME}; not measured in this run", "row", "figure", "kube-apiserver", "backbeat", "ratio")
    for (benchmark, row, figure), value in KUBERNETES.items():
        ours: Any = results.get(benchmark, {}).get("results", {}).get(row, {}).get(figure)
        if ours is not None:
            made.add_row(row, figure, f"{value:,.0f}", f"{ours:,.0f}", f"{ours / value:.2f}")
    return made


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(main)
    app()
