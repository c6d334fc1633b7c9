"""`backbeat replay`: the stream, again; at the pace at which it happened, faster, or as fast as it goes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from agents.client.transport import ApiUnavailable
from deploy.commands.changes import Told, every, query_of
from deploy.commands.output import TYPE_COLOURS, Output, note
from deploy.commands.plane import Plane
from deploy.errors import UserError

HEADER = ("TIME", "RV", "TYPE", "OBJECT", "ACTOR")
_WIDTHS = (24, 8, 8, 52, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    resources: tuple[str, ...] = ()
    first: int | None = None
    last: int | None = None
    since: str = ""
    namespace: str = ""
    speed: float | None = None
    """None: as fast as it goes."""
    follow: bool = False
    json: bool = False


class Pace:
    """When a change of the past is due: as far from the first one as it was then, divided by the speed."""

    def __init__(self, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._speed = speed
        self._clock = clock
        self._first: tuple[datetime, float] | None = None

    def wait_seconds(self, moment: datetime | None) -> float:
        """A change without a time is due at once."""
        if moment is None:
            return 0.0
        if self._first is None:
            self._first = (moment, self._clock())
        then, began = self._first
        due = began + (moment - then).total_seconds() / self._speed
        return max(0.0, due - self._clock())


def speed_of(text: str) -> float:
    """`10x`, `0.5x`, `2`. Raises UserError."""
    if not re.fullmatch(r"\d*\.?\d+x?", text) or not float(text.rstrip("x")):
        raise UserError(f'--speed: "{text}" is no speed such as 10x or 0.5x')
    return float(text.rstrip("x"))


async def replay(plane: Plane, options: ReplayOptions) -> None:
    query = query_of(
        resources=options.resources,
        namespace=options.namespace,
        first=options.first,
        last=options.last,
        since=options.since,
        follow=options.follow,
    )
    pace = Pace(options.speed) if options.speed is not None else None
    rows = Rows(Output(live=options.follow or options.speed is not None), json=options.json)
    async with aclosing(every(plane.transport, query, lost=say_lost)) as changes:
        async for told in changes:
            if pace is not None:
                await asyncio.sleep(pace.wait_seconds(told.moment))
            rows.show(told)
    if not rows.count:
        note("No changes.")


def say_lost(err: ApiUnavailable) -> None:
    note(f"{err.message}; going on as soon as it is back")


class Rows:
    """Changes as lines: rows of a table under a header, or watch frames."""

    def __init__(self, output: Output, *, json: bool) -> None:
        self._output = output
        self._json = json
        self.count = 0

    def show(self, told: Told) -> None:
        self.count += 1
        if self._json:
            self._output.json_line(told.frame)
            return
        if self.count == 1:
            self._output.line(*_laid_out(HEADER, "bold"))
        cells = _laid_out(row(told))
        cells[2] = (cells[2][0], TYPE_COLOURS.get(told.type, ""))
        self._output.line(*cells)


def row(told: Told) -> tuple[str, ...]:
    return (millis(told.time or told.published), str(told.rv), told.type, told.where, told.actor)


def millis(text: str) -> str:
    """A time to the millisecond."""
    return f"{text[:23]}Z" if len(text) > 24 else text


def _laid_out(cells: tuple[str, ...], style: str = "") -> list[tuple[str, str]]:
    """Rows come one by one, so the columns have widths that most of what they hold fits in."""
    return [(text.ljust(width) + ("  " if width else ""), style) for text, width in zip(cells, _WIDTHS, strict=True)]
