"""Wait until every process is well and every node is Ready, telling what is there and what is being waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.child import Child
from deploy.errors import UpFailed
from deploy.health import Health
from deploy.nodes import ApiSilent
from deploy.prepare import Prepared
from deploy.report import Event, Reporter
from deploy.supervisor import Supervisor

LOOK_SECONDS = 0.05
NEEDS_REPAIR = "record: the record"
"""How an API server's reason begins whose record is behind the stream."""
EXIT_USAGE = 2
"""What a part ends with when it cannot work with what it was told: starting it again does not help."""


class Readiness:
    def __init__(self, supervisor: Supervisor, prepared: Prepared, reporter: Reporter) -> None:
        self._supervisor = supervisor
        self._prepared = prepared
        self._reporter = reporter
        self._began = time.monotonic()
        self._waiting: dict[str, str] = {}

    async def wait(self, timeout_seconds: float) -> None:
        """Raises UpFailed with the reasons. A record that needs a repair is waited for: it takes somebody who does it,
        and a control plane that runs."""
        try:
            async with asyncio.timeout(timeout_seconds) as deadline:
                looking = asyncio.create_task(self._put_off(deadline), name="readiness-deadline")
                try:
                    await self._processes()
                    await self._nodes()
                finally:
                    looking.cancel()
                    await asyncio.gather(looking, return_exceptions=True)
        except TimeoutError as err:
            reasons = "; ".join(f"{name}: {why}" for name, why in self._waiting.items())
            raise UpFailed(f"not ready within {timeout_seconds:g} s: {reasons}") from err

    async def _put_off(self, deadline: asyncio.Timeout) -> None:
        """Look until the record turns out to need a repair: then there is no deadline any more."""
        while True:
            why = next((why for why in self._waiting.values() if why.startswith(NEEDS_REPAIR)), "")
            if why:
                deadline.reschedule(None)
                self._reporter.tell(Event("note", f"{why}; it is waited for until somebody does it"))
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _processes(self) -> None:
        pending = {child.spec.name: child for child in self._supervisor.children}
        self._expect(dict.fromkeys(pending, "starting"))
        while pending:
            answers = await asyncio.gather(*(asyncio.to_thread(child.ask) for child in pending.values()))
            for child, health in zip(list(pending.values()), answers, strict=True):
                self._fail_early(child)
                if health.ok:
                    del pending[child.spec.name]
                    self._done(child.spec.name)
                else:
                    self._waiting[child.spec.name] = _why(child, health)
            self._tell_waiting()
            await asyncio.sleep(LOOK_SECONDS)

    @staticmethod
    def _fail_early(child: Child) -> None:
        if child.exit_code == EXIT_USAGE:
            raise UpFailed(f"{child.spec.name} cannot start: {last_line(child.log)}")

    async def _nodes(self) -> None:
        pending = dict.fromkeys(self._prepared.node_names, "not registered yet")
        self._expect(pending)
        while pending:
            found = await self._ask_nodes()
            for name in list(pending):
                why = found.get(name, self._waiting[name])
                if why:
                    self._waiting[name] = pending[name] = why
                else:
                    del pending[name]
                    self._done(name)
            self._tell_waiting()
            if pending:
                await asyncio.sleep(LOOK_SECONDS)

    async def _ask_nodes(self) -> Mapping[str, str]:
        try:
            return await asyncio.to_thread(self._prepared.question.nodes)
        except ApiSilent as err:
            return dict.fromkeys(self._prepared.node_names, str(err))

    def _expect(self, what: Mapping[str, str]) -> None:
        self._waiting = dict(what)
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        if self._waiting:
            self._reporter.tell(Event("waiting", f"waiting for {', '.join(self._waiting)}"))

    def _done(self, name: str) -> None:
        del self._waiting[name]
        self._reporter.tell(Event("done", name, time.monotonic() - self._began))


def _why(child: Child, health: Health) -> str:
    if child.restarts or child.pid == 0:
        return f"{child.last_exit or 'not started'}; see {child.log} ({last_line(child.log)})"
    return health.reason


def last_line(log: Path) -> str:
    """The last thing that a process said."""
    try:
        with log.open("rb") as lines:
            lines.seek(max(0, log.stat().st_size - 4096))
            said = lines.read().decode("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return "it said nothing"
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
