"""`backbeat subscribe`: tail a Subscription from the bus.

A change is acknowledged once it was shown. So whatever ends this command, the next one goes on behind the last change
that was acknowledged: none is missed, and only what was shown but could not be acknowledged any more is shown again.
Of a subscription to everything, the objects that there are come first, as ADDED; until all of them were shown, the next
one begins with them again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson
import structlog

from agents.client.login import SubscriptionLogin, bus
from agents.client.rest import RestClient
from apiserver.api.selectors import LabelSelector
from apiserver.api.status import ServiceUnavailable
from broker import subjects
from broker.change import BadFrame, Change
from broker.connection import Connection
from broker.errors import BusError
from broker.subscriber import CursorLost, Subscriber
from deploy.commands import subscription as subscriptions
from deploy.commands.changes import Told
from deploy.commands.discovery import Catalogue
from deploy.commands.output import Patient, note
from deploy.commands.plane import PATIENCE_SECONDS, USER_AGENT, Plane
from deploy.commands.replay import Rows
from deploy.commands.snapshot import Snapshot
from deploy.commands.subscription import Subscription
from deploy.errors import UserError

CONNECT_SECONDS = 10.0
BEHIND_SECONDS = 0.1
FLUSH_SECONDS = 2.0
LOOK_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeOptions:
    name: str
    create: tuple[str, ...] = ()
    """What a new one selects; empty: it must be there."""
    start: str = "now"
    namespace: str = ""
    selector: str = ""
    begin_anew: bool = False
    json: bool = False
    nats_url: str = ""


async def subscribe(plane: Plane, options: SubscribeOptions) -> None:
    """Until it is interrupted."""
    subscription = await _find_or_make(plane, options)
    if subscription.connected:
        note(f'somebody else reads "{subscription.name}" at this moment: each of you will get a part of it')
    async with _connection(plane, subscription, options.nats_url) as connection:
        tail = Tail(plane, connection, subscription, json=options.json)
        try:
            await _while(tail.run(begin_anew=options.begin_anew), _there(plane, subscription.name))
        except CursorLost as err:
            raise UserError(
                f'"{subscription.name}" is expired: changes behind its cursor are no longer kept. '
                "Go on from what there is with --begin-anew"
            ) from err
        finally:
            with contextlib.suppress(BusError):  # what was not acknowledged comes again
                await tail.finish()
                await connection.flush(timeout_seconds=FLUSH_SECONDS)


async def _while(work: Coroutine[Any, Any, None], holds: Coroutine[Any, Any, None]) -> None:
    """Until one of both ends, with what it ends with."""
    tasks = [asyncio.create_task(work, name="tail"), asyncio.create_task(holds, name="subscription")]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _there(plane: Plane, name: str) -> None:
    """As long as there is such a subscription: the bus does not tell its listener that it was removed. Raises
    UserError."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await subscriptions.find(plane, name)
        except ServiceUnavailable as err:
            log.debug("nobody can be asked for the subscription", subscription=name, reason=err.message)


async def _find_or_make(plane: Plane, options: SubscribeOptions) -> Subscription:
    if options.create:
        spec = subscriptions.spec_of(
            await Catalogue.ask(plane.transport),
            options.create,
            start=options.start,
            namespace=options.namespace,
            selector=options.selector,
        )
        await subscriptions.make(plane, options.name, spec)
    return await subscriptions.ready(plane, options.name)


@asynccontextmanager
async def _connection(plane: Plane, subscription: Subscription, nats_url: str) -> AsyncIterator[Connection]:
    """To the bus, as this subscription's listener. Raises UserError, StatusError."""
    if nats_url:
        async with _running(Connection(nats_url, name=USER_AGENT), nats_url) as connection:
            yield connection
        return
    async with RestClient(plane.config, user_agent=USER_AGENT, patience_seconds=PATIENCE_SECONDS) as rest:
        login = SubscriptionLogin(rest, name=subscription.name)
        login.join(None)
        await login.renew()
        async with bus(login, name=USER_AGENT) as connection:
            await _connected(connection, ",".join(await login.servers()))
            yield connection


@asynccontextmanager
async def _running(connection: Connection, where: str) -> AsyncIterator[Connection]:
    task = asyncio.create_task(connection.run(), name="connection")
    try:
        await _connected(connection, where)
        yield connection
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _connected(connection: Connection, where: str) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await connection.wait_connected()
    except TimeoutError as err:
        raise UserError(f"cannot connect to NATS at {where}") from err


class Tail:
    def __init__(self, plane: Plane, connection: Connection, subscription: Subscription, *, json: bool) -> None:
        self._plane = plane
        self._subscription = subscription
        self._labels = subscription.labels
        self._out = Patient()
        self._rows = Rows(self._out.output, json=json)
        self._shown = self._flushing = 0
        self._subscriber = Subscriber(connection, name=subscription.consumer, filters=subscription.selection.filters())

    async def run(self, *, begin_anew: bool) -> None:
        """Raises CursorLost, StatusError, BusError."""
        found = await self._subscriber.ensure()
        if begin_anew or (self._subscription.everything and found.untouched and not found.lost):
            await self._show_what_there_is()
        async with aclosing(self._subscriber.changes()) as changes:
            async for change in changes:
                self._show(change)
                self._flushing = change.rv
                await self._out.flush()
                await self._subscriber.acknowledge(change.rv)

    async def finish(self) -> None:
        """`run` was cancelled, most often while a change was being shown: it may be out, and is acknowledged then.
        Raises BusError."""
        if self._flushing and await self._out.is_out():
            await self._subscriber.acknowledge(self._flushing)

    async def _show_what_there_is(self) -> None:
        snapshot = await Snapshot.take(self._plane.transport, self._subscription)
        async with aclosing(snapshot.objects()) as objects:
            async for told in objects:
                self._rows.show(told)
                await self._out.flush()
        while (stream := await self._subscriber.stream_state()) is None or stream.last < snapshot.rv:
            await asyncio.sleep(BEHIND_SECONDS)  # the record is ahead of the stream
        await self._subscriber.begin(snapshot.rv)

    def _show(self, change: Change) -> None:
        """Once in this process: after a lost connection, changes come again whose acknowledgement was lost with it."""
        if change.rv <= self._shown:
            return
        told = told_by(change)
        if matches(told, self._labels):
            self._rows.show(told)
        self._shown = change.rv


def told_by(change: Change) -> Told:
    """A message of the stream as a change."""
    headers = change.headers or {}
    try:
        frame = {"type": change.type, "object": change.object()}
        place = subjects.parse(change.subject)
    except (BadFrame, subjects.BadSubject, orjson.JSONDecodeError):
        foreign = {"type": "ERROR", "object": {"message": "a foreign message stands in the stream"}}
        return Told(rv=change.rv, place=None, frame=foreign)
    return Told(
        rv=change.rv,
        place=place,
        frame=frame,
        actor=unquote(headers.get("Backbeat-Actor", "")),
        time=headers.get("Backbeat-Time", ""),
        published=change.published,
    )


def matches(told: Told, labels: LabelSelector) -> bool:
    return labels.is_empty or labels.matches((told.object.get("metadata") or {}).get("labels"))
