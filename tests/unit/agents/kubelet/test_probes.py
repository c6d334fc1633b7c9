"""When probes change their mind, in a time of the test's own."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from agents.kubelet.probes import ContainerProbes, Streak
from agents.kubelet.probing import Target
from agents.kubelet.runtime import ContainerId, ExecResult, RuntimeFailure
from tests.unit.agents.kubelet.builders import IP, NOW, Obj, running, spec


@dataclass
class Time:
    """Sleeping takes no time, and the time stands in `slept`. Implements `Clock`."""

    elapsed: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.elapsed)

    def time(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.elapsed += seconds
        await asyncio.sleep(0)


class Program:
    """A container whose probes answer in turn; the last answer is for ever."""

    def __init__(self, answers: str) -> None:
        """`+` good, `-` bad, `?` cannot be asked, `T` too slow."""
        self.answers = deque(answers)
        self.asked = 0
        self.limit = 0
        self.enough = asyncio.Event()

    async def exec_sync(
        self, container_id: ContainerId, command: Sequence[str], *, timeout_seconds: float
    ) -> ExecResult:
        if self.asked == self.limit:
            self.enough.set()
            await asyncio.Event().wait()
        self.asked += 1
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer == "?":
            raise RuntimeFailure("no such program")
        return ExecResult(0 if answer == "+" else 1, b"out", timed_out=answer == "T")


class Probed:
    def __init__(self, program: Program, probes: Obj, *, known: tuple[bool, bool] = (False, False)) -> None:
        self.program = program
        self.told: list[str] = []
        self.history: list[tuple[bool, bool, str]] = []
        self.clock = Time()
        target = Target(program, ContainerId("c"), spec(**probes), IP)  # type: ignore[arg-type]  # exec only
        self.probes = ContainerProbes(
            running(),
            target,
            changed=lambda: self.history.append(self.state),
            report=lambda reason, message: self.told.append(message),
            known=known,
            clock=self.clock,
        )

    @property
    def state(self) -> tuple[bool, bool, str]:
        return self.probes.started, self.probes.ready, self.probes.unhealthy

    def _is_probing(self) -> bool:
        return not self.probes.unhealthy and self.probes._task is not None and not self.probes._task.done()

    async def after(self, asked: int) -> tuple[bool, bool, str]:
        """(started, ready, unhealthy) once that many questions were answered, or all that will be."""
        self.program.limit = asked
        self.probes.start()
        async with asyncio.timeout(30):
            while not self.program.enough.is_set() and self._is_probing():
                await asyncio.sleep(0)
        task = self.probes.stop()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)
        return self.state


def probe(**more: Any) -> Obj:
    return {"exec": {"command": ["ask"]}, "periodSeconds": 10, "failureThreshold": 3, **more}


async def test_without_probes_a_container_is_started_and_ready_at_once() -> None:
    assert await Probed(Program("-"), {}).after(0) == (True, True, "")


async def test_readiness_begins_closed_and_opens_with_the_first_success() -> None:
    probed = Probed(Program("-+"), {"readinessProbe": probe()})
    assert probed.state == (True, False, "")
    assert await probed.after(2) == (True, True, "")


async def test_readiness_closes_after_failures_in_a_row() -> None:
    assert await Probed(Program("+--+--"), {"readinessProbe": probe()}).after(6) == (True, True, "")
    assert await Probed(Program("+---"), {"readinessProbe": probe()}).after(4) == (True, False, "")


async def test_readiness_may_ask_for_successes_in_a_row() -> None:
    assert await Probed(Program("++"), {"readinessProbe": probe(successThreshold=3)}).after(2) == (True, False, "")
    assert await Probed(Program("+++"), {"readinessProbe": probe(successThreshold=3)}).after(3) == (True, True, "")


async def test_liveness_fails_after_failures_in_a_row_and_asks_no_more() -> None:
    probed = Probed(Program("+-+---"), {"livenessProbe": probe()})
    assert await probed.after(100) == (True, True, "failed liveness probe")
    assert probed.program.asked == 6
    assert probed.told == ["Liveness probe failed: out"] * 4


async def test_a_container_that_cannot_be_asked_counts_as_nothing() -> None:
    probed = Probed(Program("??????"), {"livenessProbe": probe(failureThreshold=1)})
    assert await probed.after(6) == (True, True, "")
    assert probed.told[0] == "Liveness probe errored: no such program"


async def test_a_slow_answer_is_a_failure() -> None:
    probed = Probed(Program("T"), {"livenessProbe": probe(failureThreshold=1)})
    assert await probed.after(100) == (True, True, "failed liveness probe")
    assert probed.told == ['Liveness probe failed: command "ask" timed out']


async def test_the_others_wait_for_the_startup_probe() -> None:
    probes = {"startupProbe": probe(), "readinessProbe": probe(), "livenessProbe": probe()}
    probed = Probed(Program("--+"), probes)
    assert probed.state == (False, False, "")
    assert await probed.after(3) == (True, False, "")
    assert probed.history == [(True, False, "")]


async def test_a_startup_probe_without_a_readiness_probe_opens_the_pod() -> None:
    assert await Probed(Program("+"), {"startupProbe": probe()}).after(1) == (True, True, "")


async def test_a_startup_probe_that_never_succeeds_ends_the_container() -> None:
    probed = Probed(Program("-"), {"startupProbe": probe(), "livenessProbe": probe()})
    assert await probed.after(100) == (False, False, "failed startup probe")
    assert probed.program.asked == 3


async def test_what_an_earlier_kubelet_knew_holds_until_a_probe_says_else() -> None:
    probes = {"startupProbe": probe(), "readinessProbe": probe()}
    probed = Probed(Program("-"), probes, known=(True, True))
    assert probed.state == (True, True, "")
    assert await probed.after(2) == (True, True, "")
    assert await Probed(Program("-"), probes, known=(True, True)).after(3) == (True, False, "")


async def test_the_first_question_comes_after_the_initial_delay_and_the_others_each_period() -> None:
    probed = Probed(Program("+"), {"readinessProbe": probe(initialDelaySeconds=7, periodSeconds=4)})
    await probed.after(3)
    assert probed.clock.slept[:3] == [7, 4, 4]


async def test_the_initial_delay_counts_from_the_containers_start() -> None:
    probed = Probed(Program("+"), {"readinessProbe": probe(initialDelaySeconds=7)})
    probed.clock.elapsed = 5
    await probed.after(1)
    assert probed.clock.slept[0] == 2


@pytest.mark.parametrize(
    ("verdicts", "failures", "successes", "result"),
    [("---", 3, 1, False), ("--", 3, 1, True), ("--+--", 3, 1, True), ("---+", 3, 2, False), ("---++", 3, 2, True)],
)
def test_streaks(verdicts: str, failures: int, successes: int, result: bool) -> None:
    streak = Streak(result=True)
    for verdict in verdicts:
        streak = streak.after(verdict == "+", failures=failures, successes=successes)
    assert streak.result is result
