"""Publish changes under their numbers: many in flight, and each one the stream's next message or none.

Each publish says which sequence the stream must end with (`Nats-Expected-Last-Sequence`), so whoever else publishes,
and whatever comes twice, the stream gets neither a gap nor a copy.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from broker.connection import Connection, Message, Subscription
from broker.errors import BusError, BusUnavailable, WrongLastSequence, from_api
from broker.outbox import OutboxEntry

EXPECTED = "Nats-Expected-Last-Sequence"


class Publisher:
    """Publishes a batch with one shared inbox for the acknowledgements, all in flight at once."""

    def __init__(self, connection: Connection, *, ack_timeout_seconds: float) -> None:
        self._connection = connection
        self._ack_timeout = ack_timeout_seconds
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._waiting: dict[str, int] = {}
        self._done: asyncio.Future[None] | None = None
        self._serial = 0

    async def __aenter__(self) -> Publisher:
        self._inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(f"{self._inbox}.*", self._on_ack)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._subscription is not None:
            await self._subscription.unsubscribe()

    async def publish(self, entries: Sequence[OutboxEntry]) -> None:
        """Return when all are acknowledged. Raises WrongLastSequence, BusUnavailable: look where the stream ends."""
        self._serial += 1
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done = done
        self._waiting = {f"{self._serial}-{e.rv}": e.rv for e in entries}
        try:
            for entry in entries:
                headers = {EXPECTED: str(entry.rv - 1), **entry.headers}
                reply = f"{self._inbox}.{self._serial}-{entry.rv}"
                await self._connection.publish(entry.subject, entry.body, reply=reply, headers=headers)
            async with asyncio.timeout(self._ack_timeout):
                await done
        except TimeoutError as err:
            raise BusUnavailable("the stream did not acknowledge in time") from err
        finally:
            self._done = None
            self._waiting = {}
            if done.done() and not done.cancelled():
                done.exception()

    def _on_ack(self, message: Message) -> None:
        done = self._done
        rv = self._waiting.pop(message.subject.rpartition(".")[2], None)
        if rv is None or done is None or done.done():
            return
        error = _refusal(message, rv)
        if error is not None:
            done.set_exception(error)
        elif not self._waiting:
            done.set_result(None)


def _refusal(message: Message, rv: int) -> BusError | None:
    if message.status:
        return BusUnavailable(f"the stream does not answer ({message.status})")
    answer = json.loads(message.data)
    if "error" in answer:
        return from_api(answer["error"])
    if answer["seq"] != rv:
        return WrongLastSequence(f"change {rv} became message {answer['seq']}")
    return None
