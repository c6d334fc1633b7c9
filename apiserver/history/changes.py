"""GET /backbeat/changes: the stream, read back through the API server.

    resource=pods&resource=deploy/web    any names that kubectl takes, of resources or single objects; none: everything
    namespace=…                          of what has namespaces, only this one
    from=1200&to=1300                    resourceVersions, both included; `from` defaults to the oldest kept
    since=10m                            instead of `from`: a duration, or a time
    follow=true                          go on with what comes
    reactions=true                       with what others did because of the selected changes (see `cause`)

One line of JSON for each change:

    resourceVersion, subject    its place in the stream
    actor                       who made it
    received, time, published   when the command came, when it was committed, when the stream had it
    cause, heard                where its author said so: the resourceVersion that it was a reaction to, and when the
                                author had heard of that
    traceparent                 where the command had one
    frame                       the watch frame as published

Whoever asks must be allowed to watch everything that is selected; reactions are told as far as they may watch them: in
the namespaces of what is selected, and of what has none. Secrets are readable here as they are in a watch. A `from`
that the stream no longer holds is answered 410; so is, as a last line of type ERROR, retention that overtakes a slow
reader.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime
from urllib.parse import unquote

import orjson

from apiserver.api import status
from apiserver.api.resources import Registry
from apiserver.authn import User
from apiserver.history.asked import Asked, Target, filters, read
from apiserver.rest.http import Response, Stream
from apiserver.rest.present import Present
from apiserver.rest.request import HttpRequest
from apiserver.rest.routes import not_allowed
from apiserver.store.seal import Sealer
from apiserver.subscriptions.access import Access
from broker import subjects
from broker.change import BadFrame, Change, frame
from broker.connection import Connection
from broker.errors import BusUnavailable, StreamExpired, StreamMissing
from broker.replay import first_since, replay
from broker.stream import StreamState, state
from broker.tail import tail

PATH = "/backbeat/changes"
NDJSON = b"application/x-ndjson"
_HEADERS = {
    "Backbeat-Actor": "actor",
    "Backbeat-Received": "received",
    "Backbeat-Time": "time",
    "Backbeat-Heard": "heard",
    "traceparent": "traceparent",
}


class Changes:
    """Serves streams until `close`."""

    def __init__(
        self,
        connection: Connection,
        registry: Callable[[], Registry],
        sealer: Sealer,
        access: Access,
        present: Present,
    ) -> None:
        self._connection = connection
        self._present = present
        self._registry = registry
        self._sealer = sealer
        self._access = access
        self._closed: asyncio.Future[None] | None = None

    def close(self) -> None:
        """Cut every stream off: its reader goes on elsewhere, behind the last line that it got."""
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    async def serve(self, incoming: HttpRequest, user: User) -> Response | Stream | None:
        """None for another path. Raises BadRequest, Forbidden, Expired, ServiceUnavailable."""
        if incoming.info.path != PATH:
            return None
        if incoming.method != "GET":
            raise not_allowed()
        asked = read(incoming.query, self._registry(), datetime.now(UTC))
        for target in asked.targets:
            self._access.check(user, target.selection)
        wide = self._with_reactions(asked, user) if asked.reactions else asked.targets
        try:
            stream = await self._reached(asked)
            after = await self._start(asked, stream)
        except (BusUnavailable, StreamMissing) as err:
            raise status.ServiceUnavailable(f"the stream cannot be read: {err}", retry_after_seconds=1) from err
        last = stream.last if asked.last is None else min(asked.last, stream.last)
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        return Stream(self._lines(asked, wide, after, last), NDJSON, self._closed)

    async def _reached(self, asked: Asked) -> StreamState:
        """The stream, once it holds everything that is asked for and was committed before now: the relay is some
        milliseconds behind the record. A follower hears the rest anyway."""
        stream = await state(self._connection)
        if asked.follow or (asked.last is not None and asked.last <= stream.last):
            return stream
        committed = await self._present.current_rv()
        wanted = committed if asked.last is None else min(asked.last, committed)
        if stream.last < wanted:
            await self._present.reach_rv(wanted)
            stream = await state(self._connection)
        if stream.last < wanted:
            raise BusUnavailable(f"it is being refilled, and ends at {stream.last} of {wanted}")
        return stream

    def _with_reactions(self, asked: Asked, user: User) -> tuple[Target, ...]:
        """What must be read to find them, as far as the user may."""
        places = {target.namespace for target in asked.targets}
        around = [Target()] if None in places else [Target(namespace=one) for one in (*places, "")]
        if "" in places:
            around.append(Target())  # anything may react to what has no namespace
        return (*asked.targets, *(one for one in around if self._may_watch(user, one)))

    def _may_watch(self, user: User, target: Target) -> bool:
        try:
            self._access.check(user, target.selection)
        except status.Forbidden:
            return False
        return True

    async def _start(self, asked: Asked, stream: StreamState) -> int:
        """The sequence before the first that is wanted."""
        if asked.since is not None:
            found = await first_since(self._connection, asked.since)
            return stream.last if found is None else found - 1
        if asked.first is None:
            return stream.first - 1
        after = max(asked.first - 1, 0)
        if after + 1 < stream.first:
            raise _expired(StreamExpired(after, stream.first))
        return after

    async def _lines(
        self, asked: Asked, wide: tuple[Target, ...], after: int, last: int
    ) -> AsyncGenerator[bytes, None]:
        wanted = _Wanted(asked.targets) if asked.reactions else None
        try:
            async for change in self._changes(asked, filters(wide), after, last):
                if wanted is None or wanted.takes(change):
                    yield self._line(change)
        except StreamExpired as err:
            yield _failure(_expired(err))
        except BusUnavailable as err:
            yield _failure(status.ServiceUnavailable(f"the stream cannot be read: {err}"))

    async def _changes(self, asked: Asked, selected: list[str], after: int, last: int) -> AsyncIterator[Change]:
        async for change in replay(self._connection, after=after, up_to=last, filters=selected):
            yield change
        if not asked.follow:
            return
        async with contextlib.aclosing(tail(self._connection, after=max(after, last), filters=selected)) as batches:
            async for batch in batches:
                for change in batch:
                    if asked.last is not None and change.rv > asked.last:
                        return
                    yield change

    def _line(self, change: Change) -> bytes:
        headers = change.headers or {}
        told: dict[str, object] = {"resourceVersion": change.rv, "subject": change.subject}
        told |= {key: unquote(headers[name]) for name, key in _HEADERS.items() if name in headers}
        if change.published:
            told["published"] = change.published
        if (cause := cause_of(change)) is not None:
            told["cause"] = cause
        return b'%b,"frame":%b}\n' % (orjson.dumps(told)[:-1], self._readable(change))

    def _readable(self, change: Change) -> bytes:
        """The frame with its object opened; what is no frame of ours is told as what it is."""
        try:
            sealed = change.object_bytes
        except BadFrame:
            return orjson.dumps({"type": "ERROR", "object": {"message": "a foreign message stands in the stream"}})
        plain = self._sealer.show(sealed)
        return change.body if plain is sealed else frame(change.type, plain)


class _Wanted:
    """In one pass in order: the selected changes, and those that name one of them as their cause."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self._targets = targets
        self._causes: set[int] = set()

    def takes(self, change: Change) -> bool:
        try:
            place = subjects.parse(change.subject)
        except subjects.BadSubject:
            return False
        if any(target.covers(place) for target in self._targets):
            self._causes.add(change.rv)
            return True
        return cause_of(change) in self._causes


def cause_of(change: Change) -> int | None:
    """The resourceVersion that a change says it was a reaction to."""
    told = (change.headers or {}).get("Backbeat-Cause", "")
    return int(told) if told.isdecimal() else None


def _expired(err: StreamExpired) -> status.Expired:
    return status.Expired(f"too old resource version: {err.asked + 1} (the oldest that is kept: {err.first})")


def _failure(err: status.StatusError) -> bytes:
    return orjson.dumps({"frame": {"type": "ERROR", "object": err.to_status()}}) + b"\n"
