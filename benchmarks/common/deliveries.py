"""One load, and everybody who hears of it: how much came, how soon, and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.common.costs import Cost, Meter
from benchmarks.common.crew import Crew, Told
from benchmarks.common.figures import Split, Spread, clients
from benchmarks.common.report import table
from benchmarks.common.writers import Pacing, Writers

PATIENCE_SECONDS = 10.0
"""What did not come for so long after the last that came is missing."""


@dataclass(frozen=True, slots=True)
class Load:
    """`per_second` 0: as fast as they come."""

    order: dict[str, Any]
    events: int
    per_second: float = 0.0
    first: int = 0

    @property
    def pacing(self) -> Pacing:
        return Pacing(self.events, self.per_second, self.first)

    @property
    def pace(self) -> str:
        return f"{self.per_second:g}/s" if self.per_second else "burst"


@dataclass(frozen=True, slots=True)
class Deliveries:
    """`seconds`: from the first request to the last delivery. Times are from sending the request to receiving the
    change, so they hold the commit's own time too."""

    what: str
    watchers: int
    pace: str
    events: int
    expected: int
    delivered: int
    duplicates: int
    cut_off: int
    seconds: float
    times: Spread
    split: Split
    costs: tuple[Cost, ...]

    @property
    def missing(self) -> int:
        return self.expected - (self.delivered - self.duplicates)

    @property
    def per_second(self) -> float:
        return self.delivered / self.seconds if self.seconds else 0.0

    @property
    def per_cpu_second(self) -> float:
        return self.delivered / (self.split.servers or 1)

    @property
    def name(self) -> str:
        return f"{self.what}, {self.watchers} watchers, {self.pace}"

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "what": self.what,
            "watchers": self.watchers,
            "pace": self.pace,
            "events": self.events,
            "delivered": self.delivered,
            "missing": self.missing,
            "duplicates": self.duplicates,
            "cut_off": self.cut_off,
            "deliveries_per_second": self.per_second,
            "deliveries_per_cpu_second": self.per_cpu_second,
            **asdict(self.times),
            "server_cpu_seconds": self.split.servers,
            "server_bytes": self.split.server_bytes,
            "client_cpu_share": self.split.client_share,
            "cpu_seconds": {cost.name: cost.cpu_seconds for cost in self.costs},
        }


async def measure(
    what: str,
    hearing: Crew,
    writing: Writers,
    load: Load,
    *,
    watchers: int,
    each_hears_all: bool = True,
    processes: Mapping[str, int],
    told: Told,
) -> Deliveries:
    """Raises ClientFailed, RequestsRefused."""
    expected = load.events * (watchers if each_hears_all else 1)
    both = {
        **processes,
        **clients(hearing.pids, what="hearing"),
        **clients(writing.crew.pids, what="writing"),
    }
    meter = Meter(both)
    patience = PATIENCE_SECONDS + (load.events / load.per_second if load.per_second else 0)
    async with asyncio.TaskGroup() as group:
        written = group.create_task(writing.run(load.order, load.pacing, told=lambda _: None))
        await hearing.heard(expected, patience_seconds=patience, told=told)
    costs = meter.read(both)
    sent, heard = written.result(), await hearing.report()
    last = heard.latest("last_ns")
    return Deliveries(
        what=what,
        watchers=watchers,
        pace=load.pace,
        events=load.events,
        expected=expected,
        delivered=heard.total("delivered"),
        duplicates=heard.total("duplicates"),
        cut_off=heard.total("closed"),
        seconds=(last - sent.earliest("first_ns")) / 1e9 if last else 0.0,
        times=Spread.of(heard.latencies_ms),
        split=Split.of(costs),
        costs=tuple(costs),
    )


def deliveries_table(title: str, rows: list[Deliveries]) -> Table:
    made = table(
        title, "who hears", "watchers", "load", "events", "deliveries/s", "per server CPU s", "p50 ms", "p99 ms",
        "max ms", "missing", "twice", "cut off", "MiB", "clients' CPU",
    )  # fmt: skip
    for row in rows:
        made.add_row(
            row.what,
            f"{row.watchers:,}",
            row.pace,
            f"{row.events:,}",
            f"{row.per_second:,.0f}",
            f"{row.per_cpu_second:,.0f}",
            *(f"{ms:,.1f}" for ms in (row.times.p50_ms, row.times.p99_ms, row.times.max_ms)),
            *(f"{count:,}" for count in (row.missing, row.duplicates, row.cut_off)),
            f"{row.split.server_bytes / 1024**2:,.0f}",
            f"{row.split.client_share:.0%}",
        )
    return made
