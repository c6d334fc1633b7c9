"""Crews of client processes that send requests: to API servers, or puts to etcd."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.common.crew import Crew, Reports, Told, crew, processes_for, shares
from benchmarks.common.etcd import Etcd
from benchmarks.common.plane import Failed
from benchmarks.common.servers import HOST, Servers

CONNECTIONS = 32


class RequestsRefused(Failed):
    """A server did not do what it was asked to."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What is sent again and again; `{number}` in the path is the request's number."""

    method: str
    path: str
    body: Sequence[str] | None = None
    """The kind of the body, and its parameters: see `benchmarks.clients.load.BODIES`."""
    content_type: str = "application/json"
    expected: int = 200
    objects: int = 0
    """The numbers begin anew after so many; 0: they do not."""

    @property
    def order(self) -> dict[str, Any]:
        requests = {
            "method": self.method,
            "path": self.path,
            "body": list(self.body) if self.body is not None else None,
            "content_type": self.content_type,
            "objects": self.objects,
        }
        return {"requests": requests, "expected": self.expected}


def creates(resource: str, namespace: str, *body: str) -> Requests:
    return Requests("POST", f"/api/v1/namespaces/{namespace}/{resource}", body, expected=201)


@dataclass(frozen=True, slots=True)
class Pacing:
    """How many requests, and how fast; 0: as fast as they are answered. Their numbers begin with `first`."""

    count: int
    per_second: float = 0.0
    first: int = 0


class Writers:
    def __init__(self, crew: Crew, processes: int) -> None:
        self.crew = crew
        self._processes = processes

    async def run(self, order: dict[str, Any], pacing: Pacing, *, told: Told) -> Reports:
        """Raises RequestsRefused, ClientFailed."""
        part = {**order, "do": "run", "per_second": pacing.per_second / self._processes}
        orders = [
            {**part, "first": pacing.first + begin, "count": size}
            for begin, size in shares(pacing.count, self._processes)
        ]
        reports = await self.crew.run(orders, told)
        if reports.total("refused"):
            said = next(line["told"] for line in reports.lines if line["refused"])
            raise RequestsRefused(f"{reports.total('refused')} of {pacing.count} requests were refused: {said}")
        return reports


@asynccontextmanager
async def writers(servers: Servers, *, connections: int = CONNECTIONS) -> AsyncIterator[Writers]:
    processes = processes_for(connections)
    jobs = [
        {"kind": "load", "servers": [servers.api], "connections": count} for _, count in shares(connections, processes)
    ]
    async with crew(jobs) as made:
        yield Writers(made, processes)


@asynccontextmanager
async def etcd_writers(etcd: Etcd, *, connections: int = CONNECTIONS) -> AsyncIterator[Writers]:
    processes = processes_for(connections)
    job = {"kind": "etcd-load", "host": HOST, "port": etcd.port, "ca_file": etcd.ca_file}
    async with crew([{**job, "connections": count} for _, count in shares(connections, processes)]) as made:
        yield Writers(made, processes)
