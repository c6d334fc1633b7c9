"""An API server is killed, and the next one starts on what is there."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import ssl
import time
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from benchmarks.common.costs import Cost, Meter
from benchmarks.common.figures import is_client
from benchmarks.common.plane import UP_SECONDS, PlaneFailed
from benchmarks.common.report import table
from benchmarks.common.servers import HOST, LOOK_SECONDS, Servers

API_SERVER = "apiserver"


@dataclass(frozen=True, slots=True)
class ColdStart:
    objects: int
    seconds: float
    """From the start of the process until /readyz answers 200."""
    costs: tuple[Cost, ...]
    """Of each server, since the old process was killed; of the new one, all."""

    def of(self, *, server: bool) -> float:
        """CPU seconds of the API server alone, or of the others together."""
        return sum(cost.cpu_seconds for cost in self.costs if (cost.name == API_SERVER) is server)

    @property
    def resident_bytes(self) -> int:
        return next(cost.resident_bytes for cost in self.costs if cost.name == API_SERVER)

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "objects": self.objects,
            "ready_seconds": self.seconds,
            "api_server_cpu_seconds": self.of(server=True),
            "other_cpu_seconds": self.of(server=False),
            "api_server_bytes": self.resident_bytes,
            "costs": [asdict(cost) for cost in self.costs],
        }


async def cold_start(servers: Servers, *, objects: int) -> ColdStart:
    """Raises PlaneFailed."""
    child = next(one for one in servers.supervisor.children if one.spec.name == API_SERVER)
    meter, before = Meter(servers.processes), child.pid
    os.kill(before, signal.SIGKILL)
    while child.pid in (0, before):
        await asyncio.sleep(LOOK_SECONDS / 10)
    deadline = time.monotonic() + UP_SECONDS
    while not await asyncio.to_thread(_ready, servers):
        if time.monotonic() > deadline or child.pid == 0:
            raise PlaneFailed(f"the API server does not get ready on {objects:,} objects")
        await asyncio.sleep(LOOK_SECONDS)
    seconds = time.time() - child.started_at
    costs = (cost for cost in meter.read(servers.processes) if not is_client(cost.name))
    return ColdStart(objects, seconds, tuple(costs))


def _ready(servers: Servers) -> bool:
    """A new connection each time. The port stays open while no API server is there: whoever connects then waits."""
    context = ssl.create_default_context(cafile=str(servers.data.pki / "ca.crt"))
    asking = http.client.HTTPSConnection(HOST, servers.port, timeout=UP_SECONDS, context=context)
    try:
        asking.request("GET", "/readyz")
        return asking.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        asking.close()


def cold_start_table(start: ColdStart) -> Table:
    made = table(
        "Cold start", "objects", "ready after s", "API server CPU s", "Redis and NATS CPU s", "API server MiB"
    )  # fmt: skip
    made.add_row(
        f"{start.objects:,}",
        f"{start.seconds:.1f}",
        *(f"{start.of(server=server):.1f}" for server in (True, False)),
        f"{start.resident_bytes / 1024**2:,.0f}",
    )
    return made
