"""What is told while a measurement runs: one line for each step, with how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.common.crew import Told
from benchmarks.common.report import PROGRESS


class Steps:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Told]:
        """`total` None: nobody knows how far it is. The line stays, with the time that it took."""
        line = self._progress.add_task(what, total=total)
        yield lambda done: self._progress.update(line, completed=done)
        self._progress.update(line, total=total or 1, completed=total or 1)
        self._progress.stop_task(line)


@contextmanager
def steps() -> Iterator[Steps]:
    columns = (TextColumn("{task.description:<60}"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=PROGRESS) as progress:
        yield Steps(progress)
