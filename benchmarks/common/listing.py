"""Lists, whole and in pages, over one connection: how soon they were answered, and what they cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.common.costs import Meter
from benchmarks.common.crew import Crew, Told, crew
from benchmarks.common.figures import Split, Spread, clients
from benchmarks.common.plane import Failed
from benchmarks.common.requests import Answered
from benchmarks.common.servers import Servers
from benchmarks.common.writers import RequestsRefused


class Incomplete(Failed):
    """A list did not hold what it should."""


@asynccontextmanager
async def lister(servers: Servers) -> AsyncIterator[Crew]:
    async with crew([{"kind": "pages", "server": servers.api}]) as made:
        yield made


async def measure_lists(
    what: str, servers: Servers, listing: Crew, path: str, *, rounds: int, objects: int, told: Told
) -> Answered:
    """`objects`: in one whole list. Each page counts as a request. Raises ClientFailed, RequestsRefused, Incomplete."""
    both = {**servers.processes, **clients(listing.pids, what="listing")}
    meter = Meter(both)
    reports = await listing.run([{"do": "list", "path": path, "rounds": rounds}], told)
    costs = meter.read(both)
    [report] = reports.lines
    if report["refused"]:
        raise RequestsRefused(f"{what}: {report['told']}")
    if report["objects"] != rounds * objects:
        raise Incomplete(f"{what}: {report['objects']:,} objects came in {rounds} lists of {objects:,}")
    return Answered(
        what=what,
        count=report["answered"],
        body_bytes=report["bytes"] // report["answered"],
        seconds=(report["last_ns"] - report["first_ns"]) / 1e9,
        publish_seconds=0.0,
        times=Spread.of(reports.latencies_ms),
        split=Split.of(costs),
        costs=tuple(costs),
        objects=report["objects"],
    )
