"""Ask the stream for the state of an object at an earlier time, without a consumer.

Uses direct get with `multi_last` and `up_to_seq`, which nats-server has since 2.11.
"""

from __future__ import annotations

import asyncio
import json

from broker import subjects
from broker.change import Change
from broker.connection import Connection, Message
from broker.errors import BusUnavailable

TIMEOUT_SECONDS = 5.0

_NOT_FOUND = "404"
_END = "204"


async def last_change(connection: Connection, subject_filter: str, *, up_to: int) -> Change | None:
    """The newest change on these subjects with a sequence <= `up_to`; None where the stream holds none (any more).
    For filters that match a handful of subjects. Raises BusUnavailable."""
    answers: asyncio.Queue[Message] = asyncio.Queue()
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox, answers.put_nowait)
    request = {"multi_last": [subject_filter], "up_to_seq": up_to}
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await connection.publish(f"$JS.API.DIRECT.GET.{subjects.STREAM}", json.dumps(request).encode(), reply=inbox)
            return await _newest(answers)
    except TimeoutError as err:
        raise BusUnavailable("JetStream did not answer a direct get in time") from err
    finally:
        await subscription.unsubscribe()


async def _newest(answers: asyncio.Queue[Message]) -> Change | None:
    newest: Change | None = None
    while True:
        message = await answers.get()
        if message.status in (_NOT_FOUND, _END):
            return newest
        headers = message.headers or {}
        if "Nats-Sequence" not in headers:
            raise BusUnavailable(f"JetStream refused a direct get: {headers.get('Description', message.status)}")
        sequence = int(headers["Nats-Sequence"])
        if newest is None or sequence > newest.rv:
            newest = Change(sequence, headers["Nats-Subject"], message.data, headers)
