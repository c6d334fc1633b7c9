"""Everything that must hold once the faults of a round are over and its load rests.

all processes are well, none ended by itself, no log tells of an error
pods, ReplicaSets and Deployments are what was asked for; no pod was ever on two nodes
every agent has done everything that it was to hear of
the stream's numbers are consecutive, each was used once, and it holds what clients, record and outbox say
watchers and subscribers heard all of what they selected, in order
reads and writes of each object are linearizable
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nats.errors

from tests.conftest import eventually
from tests.faults.changes import Change, Place
from tests.faults.checker import violations
from tests.faults.hearing import Robbery
from tests.faults.history import History
from tests.faults.linearizable import operations_of
from tests.faults.pods import Load
from tests.soak.listeners import Listeners
from tests.soak.podload import bound_twice
from tests.soak.stage import Stage
from tests.soak.tape import Tape

SETTLE_SECONDS = 120.0
_EXPECTED = frozenset({"leadership lost"})
"""Errors that come with an outage: a lease that could not be renewed in time."""
_AGENTS = ("scheduler", "controllers", "kubelet-")


class Violated(Exception):
    """An invariant does not hold."""

    def __init__(self, wrong: Sequence[str]) -> None:
        super().__init__("\n".join(wrong))
        self.wrong = wrong


@dataclass(slots=True)
class Judge:
    """`judge` after each round; `objects` is what there was at the last one."""

    stage: Stage
    tape: Tape
    listeners: Listeners
    pods: Load
    robbed: list[Robbery]
    checked: int = 0
    objects: dict[Place, Change] = field(default_factory=dict)
    seen_of_logs: dict[Path, int] = field(default_factory=dict)

    async def judge(self, history: History) -> str:
        """What was looked at. Raises Violated."""
        try:
            await self._rest()
            record = await asyncio.to_thread(self.stage.cluster.record)
            changes = await self.tape.stretch(record.rv)
            await self._all_heard(changes)
        except TimeoutError as err:
            raise Violated([f"it does not come to rest: {err}", *self._complaints()]) from err
        wrong = [
            *self._complaints(),
            *self.tape.conflicts,
            *violations(
                changes, record, history, self.listeners.watchings, first=self.checked + 1, before=self.objects
            ),
            *self._heard(record.rv),
            *bound_twice([*self.objects.values(), *changes]),
        ]
        if wrong:
            raise Violated(wrong)
        self._forget(changes, record.rv)
        objects = len(operations_of(history))
        return f"{len(changes)} changes; {history.told().partition(';')[0]} writes, {objects} objects linearizable"

    async def _rest(self) -> None:
        await self.stage.well()
        await self.pods.settled(timeout_seconds=SETTLE_SECONDS)
        await self._agents_done()

    async def _agents_done(self) -> None:
        """Each of them was seen with nothing to do; leases go on being renewed."""
        waiting: dict[str, int] = {}

        async def done() -> bool:
            try:
                lags = await self.stage.cluster.lags()
            except (TimeoutError, nats.errors.Error, OSError):
                return False
            for name, lag in lags.items():
                if name.startswith(_AGENTS) and waiting.get(name, 1):
                    waiting[name] = lag
            return bool(waiting) and not any(waiting.values())

        try:
            await eventually(done, timeout_seconds=SETTLE_SECONDS)
        except TimeoutError as err:
            raise TimeoutError(f"agents are not done with their changes: {waiting}") from err

    async def _all_heard(self, changes: Sequence[Change]) -> None:
        listeners = self.listeners
        for watching in listeners.watchings:
            numbers = [change.number for change in changes if change.subject.startswith(watching.subject)]
            await watching.reached(max(numbers, default=0), timeout_seconds=SETTLE_SECONDS)
        for subscribing, hearing in zip(listeners.subscribings, listeners.hearings, strict=True):
            hearing.learn(changes)
            await subscribing.reached(hearing.due, timeout_seconds=SETTLE_SECONDS)

    def _heard(self, up_to: int) -> Iterator[str]:
        for subscribing, hearing in zip(self.listeners.subscribings, self.listeners.hearings, strict=True):
            part = hearing.part(subscribing.told, up_to=up_to)
            yield from hearing.check(part, robbed=self.robbed)

    def _forget(self, changes: Sequence[Change], up_to: int) -> None:
        for change in changes:
            if change.type == "DELETED":
                self.objects.pop(change.place, None)
            else:
                self.objects[change.place] = change
        self.checked = up_to
        self.tape.forget(up_to)
        for watching in self.listeners.watchings:
            watching.forget(up_to)
        for subscribing, hearing in zip(self.listeners.subscribings, self.listeners.hearings, strict=True):
            del subscribing.told[: len(hearing.part(subscribing.told, up_to=up_to))]

    def _complaints(self) -> Iterator[str]:
        yield from self.stage.complaints
        for log in self.stage.logs:
            yield from self._errors_in(log)

    def _errors_in(self, log: Path) -> Iterator[str]:
        if log.stem in ("redis", "nats") or not log.exists():
            return
        text = log.read_bytes()
        seen, self.seen_of_logs[log] = self.seen_of_logs.get(log, 0), len(text)
        for line in text[seen:].splitlines():
            if _tells_of_an_error(line):
                yield f"{log.name}: {line.decode(errors='replace')[:500]}"


def _tells_of_an_error(line: bytes) -> bool:
    """What is not a line of ours is a traceback or a warning of Python's; a kill may cut a line of ours off."""
    try:
        told = json.loads(line)
    except ValueError:
        return line.startswith(b"Traceback") or b"never retrieved" in line or b"was never awaited" in line
    if not isinstance(told, dict) or told.get("event") in _EXPECTED:
        return False
    return told.get("level") in ("error", "critical")
