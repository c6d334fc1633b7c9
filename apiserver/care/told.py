"""What is told while something takes its time: one JSON document a line.

{"progress": {"of": "objects", "done": 500, "total": 20000}}
{"error": {…a Status…}}            as the last line, where it did not come to its end
…                                  and what each one says of its own
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import structlog

from apiserver.api import status
from apiserver.rest.http import Stream
from apiserver.store.base import OutcomeUnknown, StoreUnavailable
from apiserver.store.keyring import KeyFileError
from broker.errors import BusError
from broker.outbox import OutboxUnavailable

log = structlog.get_logger(__name__)

Line = dict[str, Any]
Lines = AsyncGenerator[Line, None]

NDJSON = b"application/x-ndjson"
PROGRESS_SECONDS = 0.5


class Progress:
    """How far one thing is, told now and then."""

    def __init__(self, of: str, total: int = 0) -> None:
        self.of = of
        self.total = total
        self.done = 0
        self._told = 0.0

    def add(self, count: int) -> Line | None:
        """A line, if it is time for one."""
        self.done += count
        now = time.monotonic()
        if now - self._told < PROGRESS_SECONDS:
            return None
        self._told = now
        return {"progress": {"of": self.of, "done": self.done, "total": max(self.total, self.done)}}


def answer(lines: Lines, cut: asyncio.Future[None] | None = None) -> Stream:
    return Stream(_written(lines), NDJSON, cut)


async def _written(lines: Lines) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(lines) as told:
        try:
            async for line in told:
                yield orjson.dumps(line) + b"\n"
        except Exception as err:  # told as the last line: the answer has begun, so it cannot have another status
            found = refusal_of(err)
            if isinstance(found, status.InternalError):
                log.exception("looking after the control plane failed")
            yield orjson.dumps({"error": found.to_status()}) + b"\n"


def refusal_of(err: Exception) -> status.StatusError:
    """What went wrong, as the API says it."""
    match err:
        case status.StatusError():
            return err
        case StoreUnavailable() | OutboxUnavailable():
            return status.ServiceUnavailable(f"the store is not available: {err}", retry_after_seconds=1)
        case OutcomeUnknown():
            return status.ServiceUnavailable(f"whether a write was done is not known: {err}")
        case BusError():
            return status.ServiceUnavailable(f"the stream cannot be read: {err}", retry_after_seconds=1)
        case KeyFileError():
            return status.BadRequest(str(err))
        case _:
            return status.internal_error(err)
