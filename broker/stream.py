"""The stream `CHANGES`: one message for each commit, whose sequence is the commit's resourceVersion.

Messages leave it by age and size alone: nobody may delete or purge. It can be made to begin at any number
(`first_seq`), so that the numbers go on where the record is when the stream's disk was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from broker import subjects
from broker.connection import Connection, Message
from broker.errors import BusError, BusUnavailable, HistoryReplaced, StreamMissing

log = structlog.get_logger(__name__)

STATE_SUBJECT = "stream.state"
_HISTORY = "backbeat.dev/history"
RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """Retention: whichever bound is reached first."""

    max_age_seconds: float = 86_400
    max_bytes: int = 10 * 1024**3
    replicas: int = 1
    max_consumers: int = 100_000
    """nats-server 2.15 allows 1,000 a stream where this is not said."""
    live: bool = True
    """Whether the broker repeats each stored change on `live.<subject>`, for listeners who need no cursor."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """`first` > `last` when the stream is empty: then `last` is the sequence before the next message. `history` tells
    the numbers from those of another stream of the same cluster, whose place this one took."""

    first: int
    last: int
    history: str = ""


class Stream:
    """The stream's management; publishing is the relay's, reading the subscribers'."""

    def __init__(self, connection: Connection, settings: StreamSettings) -> None:
        self._connection = connection
        self._settings = settings

    async def state(self) -> StreamState:
        """Raises StreamMissing, BusUnavailable."""
        return await state(self._connection)

    async def create(self, *, first: int, history: str = "") -> StreamState:
        """Make the stream so that the next message is number `first`."""
        config = self._config(history)
        if first > 1:
            config["first_seq"] = first
        await self._connection.api(f"STREAM.CREATE.{subjects.STREAM}", config)
        log.info("stream created", first=first)
        return await self.state()

    async def recreate(self, *, first: int, history: str = "") -> StreamState:
        """Drop what the stream holds and begin anew at `first`: what was lost in between cannot be filled in."""
        log.warning("stream is rebuilt: older changes are gone from it", first=first)
        try:
            await self._connection.api(f"STREAM.DELETE.{subjects.STREAM}")
        except StreamMissing:
            log.info("stream was gone already")
        return await self.create(first=first, history=history)

    async def apply_settings(self, *, history: str = "") -> None:
        """Bring an existing stream's limits to the settings. Raises StreamMissing."""
        info = await self._connection.api(f"STREAM.INFO.{subjects.STREAM}")
        present = info["config"]
        known = _history_of(present)
        wanted = self._config(history or known)
        if known != (history or known) or any(present.get(key) != wanted[key] for key in wanted.keys() - {"metadata"}):
            if "first_seq" in present:
                wanted["first_seq"] = present["first_seq"]
            await self._connection.api(f"STREAM.UPDATE.{subjects.STREAM}", wanted)

    def _config(self, history: str) -> dict[str, Any]:
        s = self._settings
        live = {"src": subjects.ALL, "dest": subjects.live(subjects.ALL)}
        return {
            **({"republish": live} if s.live else {}),
            **({"metadata": {_HISTORY: history}} if history else {}),
            "name": subjects.STREAM,
            "subjects": [subjects.ALL],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "max_age": int(s.max_age_seconds * 1_000_000_000),
            "max_bytes": s.max_bytes,
            "max_msgs": -1,
            "max_consumers": s.max_consumers,
            "num_replicas": s.replicas,
            "allow_direct": True,
            "deny_delete": True,
            "deny_purge": True,
            # The expected sequence is what refuses a second copy; no window of message ids is needed.
            "duplicate_window": 1_000_000_000,
        }


async def state(connection: Connection) -> StreamState:
    """Where the stream begins and ends. Raises StreamMissing, BusUnavailable. Not for listeners: see `told_state`."""
    info = await connection.api(f"STREAM.INFO.{subjects.STREAM}")
    return StreamState(info["state"]["first_seq"], info["state"]["last_seq"], _history_of(info["config"]))


def _history_of(config: Mapping[str, Any]) -> str:
    return str((config.get("metadata") or {}).get(_HISTORY, ""))


def known(connection: Connection, found: StreamState) -> StreamState:
    """`found`, for whoever remembers what it has read over this connection. Raises HistoryReplaced where that was of
    another history."""
    if connection.history is None:
        connection.history = found.history
    if found.history != connection.history:
        raise HistoryReplaced
    return found


async def known_end(connection: Connection, *, patience_seconds: float = 1.0) -> int | None:
    """The last sequence, 0 where there is no stream; None where JetStream can't be asked now."""
    try:
        async with asyncio.timeout(patience_seconds):
            await connection.wait_connected()
            return (await state(connection)).last
    except StreamMissing:
        return 0
    except (TimeoutError, BusUnavailable):
        return None


async def told_state(connection: Connection) -> StreamState:
    """As `state`, for listeners: an API server tells, since JetStream would tell the subjects too. Raises
    NodeUnreachable while no API server is up, BusUnavailable, HistoryReplaced."""
    told = json.loads(await connection.request(STATE_SUBJECT))
    if told["last"] is None:
        raise StreamMissing("the API server has no stream yet")
    return known(connection, StreamState(told["first"], told["last"], told.get("history", "")))


async def serve_state(connection: Connection) -> None:
    """Answer `told_state` until cancelled. Several API servers share the work."""
    tasks: set[asyncio.Task[None]] = set()

    def answer(message: Message) -> None:
        task = asyncio.create_task(_answer_state(connection, message), name="stream-state-answer")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        while True:
            await connection.wait_connected()
            generation = connection.generation
            try:
                await connection.subscribe(STATE_SUBJECT, answer, queue="apiservers")
            except BusUnavailable:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await connection.wait_renewed(generation)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer_state(connection: Connection, message: Message) -> None:
    try:
        found = await state(connection)
        told: dict[str, int | str | None] = {"first": found.first, "last": found.last, "history": found.history}
    except StreamMissing:
        told = {"first": None, "last": None}
    except BusError as err:
        log.info("a question for the stream's state stays open", reason=str(err))
        return
    with contextlib.suppress(BusUnavailable):  # then the asker has lost the bus as well, and asks again
        await connection.publish(message.reply, json.dumps(told).encode())
