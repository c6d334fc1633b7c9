"""Round after round of load and faults, each ended by a judgement."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.client.rest import RestClient
from broker.kubeconfig import load as load_kubeconfig
from tests.faults.history import History
from tests.faults.load import Load
from tests.faults.registers import patchers
from tests.soak import podload, report
from tests.soak.faults import Faults
from tests.soak.judge import Judge, Violated
from tests.soak.listeners import Listeners
from tests.soak.schedule import RELAY, schedule
from tests.soak.stage import Stage
from tests.soak.tape import Tape

ROUND_SECONDS = 25.0
LEAST_SECONDS = 4.0
"""A round that would be shorter is not begun."""

VICTIMS: Mapping[str, float] = {
    "apiserver-0": 2.0,
    "apiserver-1": 2.0,
    RELAY: 2.0,
    "redis": 2.0,
    "nats": 3.0,
    "scheduler": 1.5,
    "controllers": 1.5,
    "kubelets-a": 1.0,
    "kubelets-b": 1.0,
}


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    seed: int
    directory: Path


async def soak(options: Options, say: Callable[[str], None]) -> bool:
    """Whether everything held for the time given. What did not is told, and kept in the directory."""
    stage = Stage(options.directory)
    try:
        await asyncio.to_thread(stage.start)
        await stage.well()
        async with _Soak.begun(stage, options, say) as running:
            return await running.rounds()
    finally:
        await asyncio.to_thread(stage.close)


class _Soak:
    def __init__(self, options: Options, say: Callable[[str], None], judge: Judge, faults: Faults) -> None:
        self._options = options
        self._say = say
        self._judge = judge
        self._faults = faults
        self._pods = podload.PodLoad(judge.pods, options.seed)
        self._history = History()

    @classmethod
    @contextlib.asynccontextmanager
    async def begun(cls, stage: Stage, options: Options, say: Callable[[str], None]) -> AsyncIterator[_Soak]:
        tape, listeners = Tape(stage.cluster), Listeners.of(stage.cluster, seed=options.seed)
        faults = Faults(stage, say)
        tasks = [
            asyncio.create_task(tape.follow(), name="tape"),
            asyncio.create_task(stage.look_after(), name="look-after"),
        ]
        try:
            async with _client(stage) as rest, listeners.running():
                judge = Judge(stage, tape, listeners, await podload.begin(rest), faults.robbed)
                yield cls(options, say, judge, faults)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def rounds(self) -> bool:
        begun = time.monotonic()
        number = 0
        while (left := self._options.seconds - (time.monotonic() - begun)) >= LEAST_SECONDS or not number:
            number += 1
            try:
                self._say(f"round {number}: {await self._round(number, min(left, ROUND_SECONDS))}")
            except Violated as violated:
                self._tell(violated)
                return False
        return True

    async def _round(self, number: int, seconds: float) -> str:
        seed = f"{self._options.seed}-{number}"
        planned = schedule(random.Random(seed), seconds=seconds, victims=VICTIMS)
        places = self._judge.stage.cluster.places
        load = Load(
            places, writers=6, keys=3, pause_seconds=0.02, name=f"r{number}-", seed=self._options.seed,
            others=patchers(6),
        )  # fmt: skip
        self._history = load.history
        try:
            async with load.running(), self._pods.running():
                await self._faults.run(planned)
        except TimeoutError as err:
            raise Violated([f"a client was not answered: {load.history.told()}"]) from err
        return await self._judge.judge(load.history)

    def _tell(self, violated: Violated) -> None:
        judge, options = self._judge, self._options
        report.write(
            options.directory,
            asdict(options),
            faults=self._faults.told,
            wrong=violated.wrong,
            history=self._history,
            tape=judge.tape,
            listeners=judge.listeners,
        )
        self._say(f"VIOLATED, {len(violated.wrong)} times:")
        for line in violated.wrong[:20]:
            self._say(f"  {line[:1000]}")


@contextlib.asynccontextmanager
async def _client(stage: Stage) -> AsyncIterator[RestClient]:
    config = load_kubeconfig(stage.cluster.server.kubeconfig())
    async with RestClient(config, user_agent="soak") as rest:
        yield rest
