"""Client processes of one kind, started together, told the same, and their reports added up."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.plane import Failed

Line = dict[str, Any]
Told = Callable[[int], None]
"""Hears how much was done so far."""

LOOK_SECONDS = 0.05
_ROOT = Path(__file__).parents[2]


class ClientFailed(Failed):
    """A client process ended early. The message is the last that it said."""


def processes_for(connections: int) -> int:
    """One for each core, and not more than connections."""
    return max(1, min(os.cpu_count() or 1, 4, connections))


def shares(total: int, parts: int) -> list[tuple[int, int]]:
    """(first, count) for each part; they differ by one at most."""
    least, more = divmod(total, parts)
    counts = [least + (part < more) for part in range(parts)]
    return [(sum(counts[:part]), count) for part, count in enumerate(counts)]


@dataclass
class Client:
    """One process."""

    process: asyncio.subprocess.Process
    count: int = 0
    ready: bool = False
    report: Line | None = None
    ended: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    async def listen(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            self.ready = self.ready or "ready" in told
            self.count = told.get("count", self.count)
            self.report = told.get("report", self.report)
        self.ended = True

    def tell(self, line: Line) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(line).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Reports:
    """What the processes told, and all latencies in milliseconds, ascending."""

    lines: Sequence[Line]
    latencies_ms: NDArray[np.float64] = field(repr=False)

    def total(self, key: str) -> int:
        return sum(int(line[key]) for line in self.lines)

    def earliest(self, key: str) -> int:
        return min((int(line[key]) for line in self.lines if line[key]), default=0)

    def latest(self, key: str) -> int:
        return max(int(line[key]) for line in self.lines)


class Crew:
    """Connected, all of them. Made by `crew`."""

    def __init__(self, clients: Sequence[Client], folder: Path) -> None:
        self._clients = clients
        self._folder = folder

    @property
    def pids(self) -> list[int]:
        return [client.pid for client in self._clients]

    @property
    def count(self) -> int:
        """As of some tenths of a second ago."""
        return sum(client.count for client in self._clients)

    async def run(self, orders: Sequence[Line], told: Told) -> Reports:
        """Give each process its order, and wait until all have reported. Raises ClientFailed."""
        for client in self._clients:
            client.report, client.count = None, 0
        for client, order in zip(self._clients, orders, strict=True):
            client.tell({**order, "latencies": self._file(client)})
        await self._until(lambda client: client.report is not None, told)
        latencies = np.concatenate([np.load(self._file(client)) for client in self._clients]) / 1e6
        latencies.sort()
        return Reports([client.report or {} for client in self._clients], latencies)

    async def report(self) -> Reports:
        """Of clients that hear until they are asked."""
        return await self.run([{"do": "report"}] * len(self._clients), lambda _: None)

    async def heard(self, wanted: int, *, patience_seconds: float, told: Told) -> None:
        """Wait until so many came, or nothing more has come for the time of patience. Raises ClientFailed."""
        last, since = 0, time.monotonic()
        while self.count < wanted and time.monotonic() - since < patience_seconds:
            self._check()
            if self.count != last:
                last, since = self.count, time.monotonic()
            told(self.count)
            await asyncio.sleep(LOOK_SECONDS)
        told(self.count)

    async def wait_ready(self) -> None:
        await self._until(lambda client: client.ready, lambda _: None)

    async def _until(self, condition: Callable[[Client], bool], told: Told) -> None:
        while not all(condition(client) for client in self._clients):
            self._check()
            told(self.count)
            await asyncio.sleep(LOOK_SECONDS)
        told(self.count)

    def _check(self) -> None:
        for client in self._clients:
            if client.ended:
                said = Path(self._file(client)).with_suffix(".err").read_text().strip().splitlines()
                raise ClientFailed(f"a client process ended: {said[-1] if said else 'it said nothing'}")

    def _file(self, client: Client) -> str:
        return str(self._folder / f"client-{self._clients.index(client)}.npy")


@asynccontextmanager
async def crew(jobs: Sequence[Line]) -> AsyncIterator[Crew]:
    """A process for each job, all connected; gone at the end. Raises ClientFailed."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bbc")))
        listening = await stack.enter_async_context(asyncio.TaskGroup())
        clients: list[Client] = []
        stack.push_async_callback(_end, clients)
        for number, job in enumerate(jobs):
            client = await _started(job, folder / f"client-{number}.err")
            clients.append(client)
            listening.create_task(client.listen(), name=f"client-{number}")
        made = Crew(clients, folder)
        await made.wait_ready()
        yield made


async def _started(job: Line, errors: Path) -> Client:
    with errors.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.clients.main",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=err, cwd=_ROOT,
        )  # fmt: skip
    client = Client(process)
    client.tell(job)
    return client


async def _end(clients: Sequence[Client]) -> None:
    for client in clients:
        if client.process.returncode is None:
            client.process.kill()
    await asyncio.gather(*(client.process.wait() for client in clients))
