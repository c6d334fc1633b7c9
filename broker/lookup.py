"""Ask the stream for the state of objects at an earlier time, without a consumer.

Uses direct get with `multi_last` and `up_to_seq`, which nats-server has since 2.11.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

from broker import subjects
from broker.change import Change
from broker.connection import Connection, Message
from broker.errors import BusUnavailable

TIMEOUT_SECONDS = 10.0
SUBJECTS_TIMEOUT_SECONDS = 60.0
"""A page has up to 100,000."""
MOST_SUBJECTS = 1024
"""nats-server answers no more at a time."""

_NOT_FOUND = "404"
_END = "204"
_TOO_MANY = "413"


class TooManySubjects(BusUnavailable):
    """The filters match more than MOST_SUBJECTS. Ask for fewer."""


async def last_change(connection: Connection, subject_filter: str, *, up_to: int) -> Change | None:
    """The newest change on these subjects with a sequence <= `up_to`; None where the stream holds none (any more).
    For filters that match a handful of subjects. Raises BusUnavailable."""
    found = await last_changes(connection, [subject_filter], up_to=up_to)
    return max(found, key=lambda change: change.rv, default=None)


async def last_changes(connection: Connection, filters: Sequence[str], *, up_to: int) -> list[Change]:
    """Of each subject that a filter matches, the newest change with a sequence <= `up_to`. Filters must not overlap,
    and match MOST_SUBJECTS in all, at most. Raises TooManySubjects, BusUnavailable."""
    arrived: asyncio.Queue[Message] = asyncio.Queue()
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox, arrived.put_nowait)
    request = {"multi_last": list(filters), "up_to_seq": up_to}
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await connection.publish(f"$JS.API.DIRECT.GET.{subjects.STREAM}", json.dumps(request).encode(), reply=inbox)
            return await _gathered(arrived)
    except TimeoutError as err:
        raise BusUnavailable("JetStream did not answer a direct get in time") from err
    finally:
        await subscription.unsubscribe()


async def _gathered(arrived: asyncio.Queue[Message]) -> list[Change]:
    found: list[Change] = []
    while True:
        message = await arrived.get()
        if message.status in (_NOT_FOUND, _END):
            return found
        if message.status == _TOO_MANY:
            raise TooManySubjects("these are too many subjects at a time")
        headers = message.headers or {}
        if "Nats-Sequence" not in headers:
            raise BusUnavailable(f"JetStream refused a direct get: {headers.get('Description', message.status)}")
        found.append(Change(int(headers["Nats-Sequence"]), headers["Nats-Subject"], message.data, headers))


async def subjects_in(connection: Connection, subject_filter: str = subjects.ALL) -> AsyncIterator[Sequence[str]]:
    """Every subject that the stream holds a message of, in pages. Raises StreamMissing, BusUnavailable."""
    offset = 0
    while True:
        request = {"subjects_filter": subject_filter, "offset": offset}
        info = await connection.api(f"STREAM.INFO.{subjects.STREAM}", request, timeout_seconds=SUBJECTS_TIMEOUT_SECONDS)
        found = list(info["state"].get("subjects") or {})
        if found:
            yield found
        offset += len(found)
        if not found or offset >= int(info.get("total") or 0):
            return
