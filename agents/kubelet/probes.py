"""Probe one running container for as long as it runs: startup first, then liveness and readiness side by side.

A result changes after `failureThreshold` failures or `successThreshold` successes in a row. Before the first result a
container is alive, not ready and not started; without a probe of a kind it is all three. A container that could not be
asked (`errored`) is told of and counts as nothing, as upstream. A container whose startup or liveness probe has failed
is not probed further: somebody will end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from agents.kubelet.clock import SYSTEM_CLOCK, Clock
from agents.kubelet.probing import Target, Verdict, ask
from agents.kubelet.runtime import Container

log = structlog.get_logger(__name__)

Obj = dict[str, Any]
Report = Callable[[str, str], None]
"""(reason, message) of an Event about a failed probe."""

STARTUP, LIVENESS, READINESS = "startup", "liveness", "readiness"


@dataclass(frozen=True, slots=True)
class Streak:
    """Results in a row. Pure."""

    result: bool
    good: bool = True
    length: int = 0

    def after(self, verdict: bool, *, failures: int, successes: int) -> Streak:
        length = self.length + 1 if verdict == self.good else 1
        enough = length >= (successes if verdict else failures)
        return Streak(verdict if enough else self.result, verdict, length)


class ContainerProbes:
    """`ready`, `started` and `unhealthy` (why; empty: healthy) are what they are now; `changed` tells of a change."""

    def __init__(
        self,
        container: Container,
        target: Target,
        *,
        changed: Callable[[], None],
        report: Report,
        known: tuple[bool, bool] = (False, False),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`known`: whether it was (started, ready) when it was last heard of; it stays so until a probe says else."""
        was_started, was_ready = known
        self._container = container
        self._target = target
        self._changed = changed
        self._report = report
        self._clock = clock
        self.started = was_started or STARTUP + "Probe" not in target.spec
        self.ready = self.started and (was_ready or READINESS + "Probe" not in target.spec)
        self.unhealthy = ""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        kinds = [k for k in (STARTUP, LIVENESS, READINESS) if k + "Probe" in self._target.spec]
        if kinds:
            name = f"probes-{self._container.name}-{self._container.id[:8]}"
            self._task = asyncio.create_task(self._run(kinds), name=name)

    def stop(self) -> asyncio.Task[None] | None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        return task

    async def _run(self, kinds: list[str]) -> None:
        if STARTUP in kinds and not self.started:
            await self._loop(STARTUP)
            if self.unhealthy:
                return
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                if kind != STARTUP:
                    group.create_task(self._loop(kind), name=f"probe-{kind}-{self._container.id[:8]}")

    async def _loop(self, kind: str) -> None:
        probe = self._target.spec[kind + "Probe"]
        streak = Streak(result=self.ready if kind == READINESS else kind == LIVENESS)
        await self._initial_delay(probe)
        while not self.unhealthy:
            began = self._clock.time()
            verdict = await self._ask(probe)
            if not verdict.good:
                self._tell(kind, verdict)
            if not verdict.errored:
                before, streak = streak, streak.after(verdict.good, **_thresholds(probe))
                if self._apply(kind, streak, before):
                    return
            spent = self._clock.time() - began
            await self._clock.sleep(max(0.0, float(probe.get("periodSeconds") or 10) - spent))

    async def _ask(self, probe: Obj) -> Verdict:
        try:
            return await ask(self._target, probe, timeout_seconds=float(probe.get("timeoutSeconds") or 1))
        except Exception as err:  # a bug about one probe must not end the probing; it is logged and shown
            log.exception("probe failed to run", container=self._container.name)
            return Verdict(False, f"{type(err).__name__}: {err}", errored=True)

    async def _initial_delay(self, probe: Obj) -> None:
        """Counted from the container's start, which may have been under another kubelet."""
        began = self._container.started_at or self._container.created_at
        ran = (self._clock.now() - began).total_seconds()
        await self._clock.sleep(max(0.0, float(probe.get("initialDelaySeconds") or 0) - ran))

    def _apply(self, kind: str, streak: Streak, before: Streak) -> bool:
        """True when this probe has done its work."""
        failures = _thresholds(self._target.spec[kind + "Probe"])["failures"]
        failed_for_good = not streak.good and not streak.result and streak.length >= failures
        if kind == READINESS:
            if streak.result != before.result:
                self.ready = streak.result
                self._changed()
            return False
        if failed_for_good:
            self.unhealthy = f"failed {kind} probe"
            self._changed()
            return True
        if kind == STARTUP and streak.result:
            self.started = True
            self.ready = READINESS + "Probe" not in self._target.spec
            self._changed()
            return True
        return False

    def _tell(self, kind: str, verdict: Verdict) -> None:
        verb = "errored" if verdict.errored else "failed"
        self._report("Unhealthy", f"{kind.capitalize()} probe {verb}: {verdict.output}")


def _thresholds(probe: Obj) -> dict[str, int]:
    return {
        "failures": int(probe.get("failureThreshold") or 3),
        "successes": int(probe.get("successThreshold") or 1),
    }
