"""One kind of request, sent many times: how fast it was answered, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.common.costs import Cost, Meter
from benchmarks.common.crew import Told
from benchmarks.common.figures import Split, Spread, clients
from benchmarks.common.report import table
from benchmarks.common.servers import Servers
from benchmarks.common.stream import StreamEnd
from benchmarks.common.writers import Pacing, Requests, Writers


@dataclass(frozen=True, slots=True)
class Answered:
    """`seconds`: from the first request to the last answer. CPU seconds run until everything is published."""

    what: str
    count: int
    body_bytes: int
    seconds: float
    publish_seconds: float
    """From the last answer until the stream had the last change; 0 for reads."""
    times: Spread
    split: Split
    costs: tuple[Cost, ...]
    objects: int = 0
    """That came in lists, in all of them together."""

    @property
    def per_second(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def per_cpu_second(self) -> float:
        return self.count / (self.split.servers or 1)

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "count": self.count,
            "answer_bytes": self.body_bytes,
            "objects": self.objects,
            "requests_per_second": self.per_second,
            "requests_per_cpu_second": self.per_cpu_second,
            **asdict(self.times),
            "publish_seconds": self.publish_seconds,
            "server_cpu_seconds": self.split.servers,
            "server_bytes": self.split.server_bytes,
            "client_cpu_share": self.split.client_share,
            "cpu_seconds": {cost.name: cost.cpu_seconds for cost in self.costs},
        }


async def measure(
    what: str,
    servers: Servers,
    sending: Writers,
    requests: Requests,
    pacing: Pacing,
    *,
    end: StreamEnd | None = None,
    told: Told,
) -> Answered:
    """`end`: requests are writes that are to be published too. Raises ClientFailed, RequestsRefused, NotPublished."""
    before = await end.settled() if end is not None else 0
    both = {**servers.processes, **clients(sending.crew.pids, what="sending")}
    meter = Meter(both)
    reports = await sending.run(requests.order, pacing, told=told)
    first, last = reports.earliest("first_ns"), reports.latest("last_ns")
    if end is not None:
        await end.reached(before + pacing.count)
    behind = (time.monotonic_ns() - last) / 1e9 if end is not None else 0.0
    costs = meter.read(both)
    return Answered(
        what=what,
        count=pacing.count,
        body_bytes=reports.total("bytes") // pacing.count,
        seconds=(last - first) / 1e9,
        publish_seconds=behind,
        times=Spread.of(reports.latencies_ms),
        split=Split.of(costs),
        costs=tuple(costs),
    )


def requests_table(title: str, rows: Sequence[Answered]) -> Table:
    made = table(
        title, "request", "count", "per second", "per server CPU s", "p50 ms", "p99 ms", "max ms", "published after s",
        "KiB", "server CPU ms each", "MiB held", "clients' CPU",
    )  # fmt: skip
    for row in rows:
        made.add_row(
            row.what,
            f"{row.count:,}",
            f"{row.per_second:,.0f}",
            f"{row.per_cpu_second:,.0f}",
            *(f"{ms:,.1f}" for ms in (row.times.p50_ms, row.times.p99_ms, row.times.max_ms)),
            f"{row.publish_seconds:.2f}" if row.publish_seconds else "",
            f"{row.body_bytes / 1024:,.1f}",
            f"{1000 * row.split.servers / row.count:,.2f}",
            f"{row.split.server_bytes / 1024**2:,.0f}",
            f"{row.split.client_share:.0%}",
        )
    return made
