"""Results for people and for programs: tables on standard output, the same as JSON in a file."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.common.costs import Cost
from benchmarks.common.machine import Machine
from benchmarks.common.plane import Failed

OUT = Console(highlight=False)
WIDE = 190
"""Columns of a table that goes into a file."""
PROGRESS = Console(stderr=True, highlight=False)
"""What is told while it runs, so that standard output holds the results alone."""


@contextmanager
def failures_told() -> Iterator[None]:
    """A run without a result ends with one line and exit code 1."""
    told = ""
    _keep_logs_off()
    try:
        yield
    except* Failed as failed:
        told = "; ".join(str(one) for one in _leaves(failed))
    if told:
        PROGRESS.print(f"no result: {told}", soft_wrap=True)
        raise SystemExit(1)


def _keep_logs_off() -> None:
    """What our own parts log in this process is for nobody, unless it is an error."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _leaves(group: BaseExceptionGroup[Failed]) -> Iterator[Failed]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


def table(title: str, first: str, *numbers: str) -> Table:
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    made.add_column(first, no_wrap=True)
    for header in numbers:
        made.add_column(header, justify="right", no_wrap=True)
    return made


def as_text(shown: Table) -> str:
    """As wide as it is."""
    text = io.StringIO()
    Console(width=WIDE, file=text).print(shown)
    return text.getvalue()


def costs_table(costs: Sequence[Cost], *, per: int, unit: str) -> Table:
    """`per` of these units were done: what one of them cost is told too."""
    made = table("What it cost", "process", "CPU s", f"CPU ms per {unit}", "MiB resident")
    for cost in costs:
        made.add_row(cost.name, *_cost_cells(cost.cpu_seconds, per), f"{cost.resident_bytes / 1024**2:.0f}")
    made.add_row("all", *_cost_cells(sum(c.cpu_seconds for c in costs), per), style="bold")
    return made


def _cost_cells(seconds: float, per: int) -> tuple[str, str]:
    return f"{seconds:.2f}", f"{1000 * seconds / per:.2f}"


def write_json(
    file: Path,
    *,
    benchmark: str,
    machine: Machine,
    parameters: Mapping[str, Any],
    results: Mapping[str, Any],
    costs: Iterable[Cost] = (),
) -> None:
    told = {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "parameters": parameters,
        "results": results,
        "processes": [asdict(cost) for cost in costs],
    }
    file.write_text(json.dumps(told, indent=2) + "\n")
