"""Carries out a schedule of faults. After each one its victim runs again, though it may not be ready yet."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import redis

from tests.apiserver import ApiServer
from tests.faults.hearing import KILLED_SECONDS, Robbery
from tests.servers import Process
from tests.soak.schedule import RELAY, Fault, Kind
from tests.soak.stage import Stage

LONG_SECONDS = 3.0


class Faults:
    """`robbed`: when the broker was made to forget. `told`: what was done, with the seconds since the beginning."""

    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._say = say
        self._begun = time.monotonic()
        self.robbed: list[Robbery] = []
        self.told: list[str] = []

    async def run(self, faults: Sequence[Fault]) -> None:
        """Returns when all of them are over."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(begun + fault.at - time.monotonic())
                group.create_task(self._one(fault), name=f"fault-{fault}")

    async def _one(self, fault: Fault) -> None:
        by_lease = fault.victim == RELAY and fault.kind is not Kind.DROP_LEASE
        name = await asyncio.to_thread(self._stage.relay) if by_lease else fault.victim
        if name is None or name in self._stage.busy:
            self._tell(f"left out: {fault}")
            return
        self._tell(str(fault) if name == fault.victim else f"{fault} ({name})")
        self._stage.busy.add(name)
        try:
            await self._carry_out(fault, name)
        finally:
            self._stage.busy.discard(name)

    async def _carry_out(self, fault: Fault, name: str) -> None:
        match fault.kind:
            case Kind.DROP_LEASE:
                with contextlib.suppress(redis.exceptions.RedisError):
                    await asyncio.to_thread(self._stage.cluster.drop_lease)
            case Kind.KILL:
                if name == "nats":
                    self.robbed.append(Robbery(time.monotonic(), KILLED_SECONDS))
                await self._away(self._process(name), fault.seconds, orderly=False)
            case Kind.RESTART:
                await self._away(self._process(name), fault.seconds, orderly=True)
            case Kind.STOP:
                await self._stand_still(self._process(name), fault.seconds)
            case Kind.LOSE_DISK:
                await self._rob(fault.seconds)
            case Kind.LOSE_TAIL:
                await self._lose_tail(fault.seconds)

    def _process(self, name: str) -> Process:
        return self._stage.processes[name]

    async def _away(self, process: Process, seconds: float, *, orderly: bool) -> None:
        await self._end(process, orderly=orderly)
        await asyncio.sleep(seconds)
        await _start(process)

    async def _end(self, process: Process, *, orderly: bool) -> None:
        begun = time.monotonic()
        try:
            await asyncio.to_thread(process.stop if orderly else process.kill)
        except subprocess.TimeoutExpired as err:
            self._stage.complaints.append(f"{process.log.stem} did not end in {err.timeout} s when it was told to")
            await asyncio.to_thread(process.kill)
        if (took := time.monotonic() - begun) > LONG_SECONDS:
            self._tell(f"{process.log.stem} took {took:.1f} s to end")

    async def _stand_still(self, process: Process, seconds: float) -> None:
        process.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            process.signal(signal.SIGCONT)

    async def _rob(self, seconds: float) -> None:
        nats = self._stage.cluster.nats
        await asyncio.to_thread(nats.kill)
        nats.lose_data()
        self.robbed.append(Robbery(time.monotonic()))
        await asyncio.sleep(seconds)
        await _start(nats)

    async def _lose_tail(self, seconds: float) -> None:
        cluster, nats = self._stage.cluster, self._stage.cluster.nats
        await asyncio.to_thread(nats.stop)
        older = await asyncio.to_thread(cluster.copy_of, nats)
        await _start(nats)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(nats.kill)
        await asyncio.to_thread(cluster.put_back, nats, older)
        self.robbed.append(Robbery(time.monotonic()))
        await _start(nats)

    def _tell(self, what: str) -> None:
        line = f"{time.monotonic() - self._begun:7.1f} s  {what}"
        self.told.append(line)
        self._say(line)


async def _start(process: Process) -> None:
    """An API server's start waits until it is ready, which it may not be while another fault lasts."""
    await asyncio.to_thread(process.spawn if isinstance(process, ApiServer) else process.start)
