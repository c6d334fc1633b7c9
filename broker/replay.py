"""Read a stretch of the stream again: bounded, in order, without a consumer.

`replay` yields every change in a range of sequences that a filter selects, each once, across lost connections. It
raises StreamExpired before the first change when the stream no longer reaches back so far, and in the middle when
retention overtakes the reader: never is a change left out silently. Pages are direct gets, which any replica answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from broker import subjects
from broker.change import Change
from broker.connection import Connection, Message
from broker.errors import BusUnavailable, StreamExpired
from broker.stream import state

PAGE = 256
PAGE_BYTES = 4 * 1024 * 1024
TIMEOUT_SECONDS = 10.0

_NOT_FOUND = "404"
_END = "204"


async def replay(
    connection: Connection, *, after: int, up_to: int, filters: Sequence[str] = (subjects.ALL,)
) -> AsyncIterator[Change]:
    """Changes with `after` < sequence <= `up_to`; filters must not overlap. Raises StreamExpired, BusUnavailable."""
    await _check(connection, after)
    pages = [_Page(connection, one, after, up_to) for one in filters]
    try:
        while True:
            for page in pages:
                await page.fill()
            waiting = [page for page in pages if page.changes]
            if not waiting:
                return
            yield min(waiting, key=lambda page: page.changes[0].rv).changes.pop(0)
    finally:
        for page in pages:
            page.changes.clear()


async def first_since(connection: Connection, moment: datetime) -> int | None:
    """The sequence of the first change that was stored at or after a moment; None when there is none. Where retention
    has removed that time, it is the oldest that is kept. Raises BusUnavailable."""
    stamp = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    found = await _get(connection, {"start_time": stamp, "next_by_subj": subjects.ALL, "batch": 1})
    return found.changes[0].rv if found.changes else None


async def _check(connection: Connection, after: int) -> None:
    stream = await state(connection)
    if after + 1 < stream.first:
        raise StreamExpired(after, stream.first)


@dataclass(slots=True)
class _Page:
    """What was read of one filter and not handed out yet."""

    connection: Connection
    subject_filter: str
    after: int
    up_to: int
    changes: list[Change] = field(default_factory=list)
    finished: bool = False

    async def fill(self) -> None:
        if self.changes or self.finished or self.after >= self.up_to:
            return
        request = {
            "seq": self.after + 1,
            "next_by_subj": self.subject_filter,
            "batch": min(PAGE, self.up_to - self.after),
            "max_bytes": PAGE_BYTES,
        }
        answer = await _get(self.connection, request)
        await _check(self.connection, self.after)  # retention may have moved while the page was read
        self.changes = [change for change in answer.changes if change.rv <= self.up_to]
        self.finished = answer.pending == 0 or len(self.changes) < len(answer.changes)
        if self.changes:
            self.after = self.changes[-1].rv


@dataclass(slots=True)
class _Answer:
    changes: list[Change] = field(default_factory=list)
    pending: int = 0


async def _get(connection: Connection, request: dict[str, object]) -> _Answer:
    """One direct get of several messages."""
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox, arrived.put_nowait)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await connection.publish(f"$JS.API.DIRECT.GET.{subjects.STREAM}", json.dumps(request).encode(), reply=inbox)
            return await _gather(arrived)
    except TimeoutError as err:
        raise BusUnavailable("JetStream did not answer a direct get in time") from err
    finally:
        await subscription.unsubscribe()


async def _gather(arrived: asyncio.Queue[Message]) -> _Answer:
    answer = _Answer()
    while True:
        message = await arrived.get()
        headers = message.headers or {}
        if message.status == _NOT_FOUND:
            return answer
        if message.status == _END:
            answer.pending = int(headers.get("Nats-Num-Pending", 0))
            return answer
        if "Nats-Sequence" not in headers:
            raise BusUnavailable(f"JetStream refused a direct get: {headers.get('Description', message.status)}")
        answer.changes.append(Change(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data, headers))
