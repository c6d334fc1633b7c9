"""Commits: one task, one connection, one round trip for all commits that arrived together.

Promised: each commit is answered once, and truly. A commit whose round trip broke is not sent again before
`apiserver.store.settle` proved that it is not there and never will be by the first sending.

Between the steps of one commit a crash leaves:
    before it was sent              nothing
    sent, not answered              the whole commit, or nothing: the script is one step
    answered by Redis, not to us    the object and its entry in the outbox, on disk; whichever relay runs publishes it
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from apiserver.store.base import (
    Commit,
    Mismatch,
    OutboxFull,
    OutcomeUnknown,
    RecordBehindStream,
    RecordClosed,
    ResourceVersion,
    StoreUnavailable,
)
from apiserver.store.footing import Footing, StreamView
from apiserver.store.keys import Keys, field_of, resource_name
from apiserver.store.settle import Settler, Verdict
from apiserver.store.wire import Command, Refusal, Wire, WireDown, WireLost
from broker.crashpoints import CrashPoints

TIMEOUT_SECONDS = 5.0
"""For one round trip of commits. An fsync on a busy disk takes tens of milliseconds, seconds on a failing one."""

SETTLE_SECONDS = 5.0
"""How long the outcome of a broken round trip is looked for before the caller hears OutcomeUnknown."""

MAX_BATCH = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024
"""Bounds of one round trip, so that one batch does not hold Redis, nor memory, for long."""

MAX_SENDINGS = 3
"""A commit that broke the connection this often, and was proven absent each time, is given up."""

_SCRIPT = (Path(__file__).parent / "commit.lua").read_bytes()
_SHA = hashlib.sha1(_SCRIPT, usedforsecurity=False).hexdigest().encode()


@dataclass(eq=False, slots=True)
class Pending:
    """One commit on its way. `floor` is a number that was given out before it was sent for the first time."""

    commit: Commit
    future: asyncio.Future[ResourceVersion]
    floor: int = 0
    sendings: int = field(default=0)

    def succeed(self, rv: int) -> None:
        if not self.future.done():
            self.future.set_result(ResourceVersion(rv))

    def fail(self, err: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(err)


class Committer:
    """See the module's docstring."""

    def __init__(
        self,
        wire: Wire,
        *,
        keys: Keys,
        outbox_limit_entries: int,
        crash_points: CrashPoints,
        stream: StreamView | None = None,
    ) -> None:
        self._wire = wire
        self._keys = keys
        self._limit = outbox_limit_entries
        self._crash_points = crash_points
        self._settler = Settler(wire, keys=keys)
        self._footing = Footing(wire, keys=keys, stream=stream)
        self._waiting: list[Pending] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._last_rv = 0

    async def commit(self, commit: Commit) -> ResourceVersion:
        """See `Store.commit`."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        pending = Pending(commit, asyncio.get_running_loop().create_future())
        self._waiting.append(pending)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="store-commits")
        return await pending.future

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        batch: list[Pending] = []
        try:
            while self._waiting:
                batch = self._take()
                if batch:
                    await self._send(batch)
        finally:
            self._task = None
            for pending in [*batch, *self._waiting]:
                pending.fail(OutcomeUnknown("the store stopped before it answered"))
            self._waiting = []

    def _take(self) -> list[Pending]:
        """The next batch. A commit whose caller gave up before it was sent is dropped."""
        size = count = 0
        for pending in self._waiting:
            size += len(pending.commit.head) + len(pending.commit.tail)
            if count and (size > MAX_BATCH_BYTES or count >= MAX_BATCH):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return [pending for pending in batch if not pending.future.done()]

    async def _send(self, batch: list[Pending]) -> None:
        try:
            await self._wire.connect()
            await self._footing.check(committed=self._last_rv)
            self._last_rv = self._last_rv or await self._read_rv()
        except (WireDown, WireLost) as err:
            _refuse(batch, StoreUnavailable(str(err)))
            return
        except StoreUnavailable as err:
            _refuse(batch, err)
            return
        for pending in batch:
            pending.floor = pending.floor or self._last_rv
            pending.sendings += 1
        try:
            answers = await self._wire.exchange(
                [self._command(pending.commit) for pending in batch], timeout_seconds=TIMEOUT_SECONDS
            )
        except WireDown as err:
            _refuse(batch, StoreUnavailable(str(err)))
        except WireLost as err:
            await self._settle(batch, str(err))
        else:
            self._crash_points.reach("after-commit")
            await self._deliver(batch, answers)

    async def _read_rv(self) -> int:
        """Where the numbers are before the first commit: an outcome is looked for from there."""
        [answer] = await self._wire.exchange([("GET", self._keys.rv)], timeout_seconds=TIMEOUT_SECONDS)
        return int(answer) if isinstance(answer, bytes) else 0

    def _command(self, commit: Commit) -> Command:
        keys = self._keys
        resource = commit.key.resource
        return (
            b"EVALSHA", _SHA, 6, keys.rv, keys.objects(resource), keys.outbox, keys.stream, keys.resources, keys.closed,
            field_of(commit.key), commit.expected_rv, commit.type, commit.head, commit.tail, commit.subject,
            orjson.dumps(dict(commit.headers)), self._limit, resource_name(resource),
        )  # fmt: skip

    async def _deliver(self, batch: list[Pending], answers: list[Any]) -> None:
        unscripted: list[Pending] = []
        for pending, answer in zip(batch, answers, strict=True):
            if isinstance(answer, int):
                self._last_rv = max(self._last_rv, answer)
                pending.succeed(answer)
            elif isinstance(answer, Refusal) and answer.code == "NOSCRIPT":
                unscripted.append(pending)
            else:
                pending.fail(_error_of(answer))
        if unscripted:
            await self._load_script(unscripted)

    async def _load_script(self, unscripted: list[Pending]) -> None:
        """A new server, or one whose scripts were flushed. Nothing of these ran, so they may go again."""
        try:
            [answer] = await self._wire.exchange([(b"SCRIPT", b"LOAD", _SCRIPT)], timeout_seconds=TIMEOUT_SECONDS)
        except (WireDown, WireLost) as err:
            _refuse(unscripted, StoreUnavailable(str(err)))
            return
        if isinstance(answer, Refusal):
            _refuse(unscripted, StoreUnavailable(f"Redis refused the commit script: {answer.message}"))
            return
        for pending in unscripted:
            pending.sendings -= 1
        self._waiting[:0] = unscripted

    async def _settle(self, batch: list[Pending], why: str) -> None:
        verdicts = await self._settler.settle(
            [(pending.commit, pending.floor) for pending in batch], timeout_seconds=SETTLE_SECONDS
        )
        again: list[Pending] = []
        for pending, verdict in zip(batch, verdicts, strict=True):
            if verdict is Verdict.UNKNOWN:
                pending.fail(OutcomeUnknown(why))
            elif isinstance(verdict, Verdict):
                again.append(pending)
            elif isinstance(verdict, Mismatch):
                pending.fail(verdict)
            else:
                self._last_rv = max(self._last_rv, verdict)
                pending.succeed(verdict)
        _refuse([pending for pending in again if pending.sendings >= MAX_SENDINGS], StoreUnavailable(why))
        self._waiting[:0] = [pending for pending in again if pending.sendings < MAX_SENDINGS]


def _refuse(batch: list[Pending], err: StoreUnavailable) -> None:
    for pending in batch:
        pending.fail(err)


def _error_of(answer: Any) -> Exception:
    """What the script, or Redis before it, refused. All of it comes before the first write."""
    if isinstance(answer, Refusal):
        return StoreUnavailable(f"Redis refused the write: {answer.message}")
    kind, rest = answer[:1], answer[1:].decode(errors="replace")
    match kind:
        case b"M":
            return Mismatch(ResourceVersion(int(rest)))
        case b"F":
            return OutboxFull()
        case b"B":
            stream, _, record = rest.partition(" ")
            return RecordBehindStream(int(stream), int(record))
        case b"C":
            return RecordClosed(rest)
        case _:
            return StoreUnavailable(f"Redis refuses writes: {rest}")
