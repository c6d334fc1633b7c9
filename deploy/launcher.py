"""`backbeat up`: prepare the data-dir, start every part, say when all is ready, end everything in order.

The steps, and what a kill -9 of the supervisor between them leaves behind
  1. Take the lock.                      Nothing.
  2. Clean up after a killed one.        The rest is cleaned up by the next.
  3. Ports, certificates, tokens.        Each file is whole or not there; what is there is kept.
  4. Start all parts at once.            They die with the supervisor (`deploy.leash`); containers live on, and step 2
                                         of the next start, or `backbeat down`, finds them.
  5. Wait until all are well and every node is Ready, then until told to stop.
  6. End them: agents, containers beside API server, NATS, Redis. Remove `state.json`, let go of the lock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any

from deploy import containers
from deploy.child import Child
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.options import UpOptions
from deploy.plan import Tier
from deploy.prepare import Prepared, prepare
from deploy.readiness import Readiness
from deploy.report import Event, Reporter, summary
from deploy.state import Lock, PlaneState, write_state
from deploy.supervisor import Supervisor
from deploy.takeover import clean_up

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_SECONDS = 0.05


def up(options: UpOptions, reporter: Reporter, *, detached: bool = False) -> int:
    """Returns the exit code, after all has ended."""
    return asyncio.run(_up(options, reporter, detached=detached))


async def _up(options: UpOptions, reporter: Reporter, *, detached: bool) -> int:
    stop = asyncio.Event()
    for number in STOP_SIGNALS:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # under nohup, the end of the terminal is not the end of this
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    data = DataDir.at(options.data_dir)
    lock = Lock(data.lock)
    try:
        data.create()
        lock.acquire()
        launcher = Launcher(data, options, reporter)
        return await launcher.run(stop, detached=detached)
    except UserError as err:
        reporter.tell(Event("failed", str(err)))
        return err.exit_code
    finally:
        lock.release()
        reporter.tell(Event("stopped"))


@dataclass
class Launcher:
    """One life of a control plane on a data-dir whose lock is held."""

    data: DataDir
    options: UpOptions
    reporter: Reporter
    _phase: str = "starting"
    _started_at: float = field(default_factory=time.time)
    _server: str = ""
    _listener: socket.socket | None = None
    _supervisor: Supervisor = field(init=False)

    def __post_init__(self) -> None:
        self._supervisor = Supervisor(logs=self.data.logs, on_change=self._changed)

    async def run(self, stop: asyncio.Event, *, detached: bool) -> int:
        """The exit code. Raises UserError when something is left, of before or of now."""
        self.reporter.tell(Event("begin", f"starting backbeat in {self.data.root}"))
        await clean_up(self.data, keep=self.options.process_nodes)
        try:
            prepared = prepare(self.data, self.options)
            self._server = prepared.question.server
            self._listener = prepared.listener
            self._supervisor.start(prepared.specs)
            await first_of(stop.wait(), self._serve(prepared, detached=detached), self._supervisor.wait_broken())
        except UserError as err:
            self.reporter.tell(Event("failed", str(err)))
            return err.exit_code
        except OSError as err:
            self.reporter.tell(Event("failed", f"{err.filename or self.data.root}: {err.strerror or err}"))
            return UserError.exit_code
        finally:
            await self._end()
        return 0

    async def _serve(self, prepared: Prepared, *, detached: bool) -> None:
        """Returns never. Raises UpFailed."""
        await Readiness(self._supervisor, prepared, self.reporter).wait(self.options.timeout_seconds)
        self._enter("ready")
        self.reporter.tell(Event("ready", self._summary(prepared, detached=detached)))
        await asyncio.Event().wait()

    def _summary(self, prepared: Prepared, *, detached: bool) -> str:
        return summary(
            server=self._server,
            kubeconfig=self.data.kubeconfig,
            nodes=len(prepared.node_names),
            logs=self.data.logs,
            detached=detached,
            data_dir=self.data.root,
        )

    async def _end(self) -> None:
        """Whatever happened before: nothing is left running. Raises UserError when something is."""
        self._enter("stopping")
        self.reporter.tell(Event("stopping", "stopping"))
        if self._listener is not None:
            self._listener.close()  # from now on clients are refused, and do not wait for what will not come
        await self._supervisor.stop_tier(Tier.AGENT)
        async with self._containers_end():
            for tier in (Tier.API, Tier.BUS, Tier.RECORD):
                await self._supervisor.stop_tier(tier)
        self.data.state.unlink(missing_ok=True)
        self.data.remove_short_directory()

    @contextlib.asynccontextmanager
    async def _containers_end(self) -> AsyncIterator[None]:
        """The containers end beside what happens in the block, and are gone after it."""
        folders = containers.with_containers(self.data.nodes)
        if not folders:
            yield
            return
        deadline = time.monotonic() + containers.PATIENCE_SECONDS
        log = self.data.logs / "containers.log"
        process = containers.start_stopping(folders, log=log)
        try:
            yield
        finally:
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(LOOK_SECONDS)
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise UserError(f"not all containers ended; see {log}")

    def _changed(self, child: Child) -> None:
        self._write_state()
        if child.pid == 0 and self._phase == "ready":
            self.reporter.tell(Event("note", f"{child.spec.name} ended ({child.last_exit}); it is started again"))

    def _enter(self, phase: str) -> None:
        self._phase = phase
        self._write_state()

    def _write_state(self) -> None:
        processes = tuple(child.state for child in self._supervisor.children)
        state = PlaneState(os.getpid(), self._phase, self._server, self._started_at, processes)
        try:
            write_state(self.data.state, state)
        except OSError as err:  # a full disk must not end what runs, nor keep it from ending in order
            self.reporter.tell(Event("note", f"cannot write {self.data.state}: {err.strerror}"))


async def first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Run them side by side until one returns or raises; then the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
