"""GET /backbeat/changes: the stream, read back through the API server.

    resource=pods&resource=deployments.apps    any name that kubectl takes; none: everything
    namespace=…&name=…                         one namespace, one object
    from=1200&to=1300                          resourceVersions, both included; `from` defaults to the oldest kept
    since=10m                                  instead of `from`: a duration, or a time
    follow=true                                go on with what comes

One line of JSON for each change: its resourceVersion, its time, who made it (`actor`), what it was a reaction to
(`cause`, a resourceVersion, where an agent made it), and `frame`, the watch frame as published. Whoever asks must be
allowed to watch everything that is selected. Secrets are readable here as they are in a watch. A `from` that the stream
no longer holds is answered 410; so is, as a last line of type ERROR, retention that overtakes a slow reader.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import UTC, datetime

import orjson

from apiserver.api import status
from apiserver.api.resources import Registry
from apiserver.authn import User
from apiserver.history.asked import Asked, read
from apiserver.rest.http import Response, Stream
from apiserver.rest.request import HttpRequest
from apiserver.rest.routes import not_allowed
from apiserver.store.seal import Sealer, Unsealable
from apiserver.subscriptions.access import Access
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
    "Backbeat-Time": "time",
    "Backbeat-Cause": "cause",
    "traceparent": "traceparent",
}


class Changes:
    def __init__(
        self, connection: Connection, registry: Callable[[], Registry], sealer: Sealer, access: Access
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._sealer = sealer
        self._access = access

    async def serve(self, incoming: HttpRequest, user: User) -> Response | Stream | None:
        """None for another path. Raises BadRequest, Forbidden, Expired, ServiceUnavailable."""
        if incoming.info.path != PATH:
            return None
        if incoming.method != "GET":
            raise not_allowed()
        asked = read(incoming.query, self._registry(), datetime.now(UTC))
        self._access.check(user, asked.selection)
        try:
            stream = await state(self._connection)
            after = await self._start(asked, stream)
        except (BusUnavailable, StreamMissing) as err:
            raise status.ServiceUnavailable(f"the stream cannot be read: {err}", retry_after_seconds=1) from err
        last = stream.last if asked.last is None else min(asked.last, stream.last)
        return Stream(self._lines(asked, after, last), NDJSON)

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

    async def _lines(self, asked: Asked, after: int, last: int) -> AsyncGenerator[bytes, None]:
        try:
            async for change in self._changes(asked, after, last):
                yield self._line(change)
        except StreamExpired as err:
            yield _failure(_expired(err))
        except Unsealable as err:
            yield _failure(status.InternalError(f"Internal error occurred: {err}"))
        except BusUnavailable as err:
            yield _failure(status.ServiceUnavailable(f"the stream cannot be read: {err}"))

    async def _changes(self, asked: Asked, after: int, last: int) -> AsyncIterator[Change]:
        filters = asked.filters()
        async for change in replay(self._connection, after=after, up_to=last, filters=filters):
            yield change
        if not asked.follow:
            return
        async with contextlib.aclosing(tail(self._connection, after=max(after, last), filters=filters)) as batches:
            async for batch in batches:
                for change in batch:
                    if asked.last is not None and change.rv > asked.last:
                        return
                    yield change

    def _line(self, change: Change) -> bytes:
        headers = change.headers or {}
        told: dict[str, object] = {"resourceVersion": change.rv}
        told |= {key: headers[name] for name, key in _HEADERS.items() if name in headers}
        return b'%b,"frame":%b}\n' % (orjson.dumps(told)[:-1], self._readable(change))

    def _readable(self, change: Change) -> bytes:
        """The frame with its object opened; what is no frame of ours is told as what it is."""
        try:
            sealed = change.object_bytes
        except BadFrame:
            return orjson.dumps({"type": "ERROR", "object": {"message": "a foreign message stands in the stream"}})
        plain = self._sealer.unseal(sealed)
        return change.body if plain is sealed else frame(change.type, plain)


def _expired(err: StreamExpired) -> status.Expired:
    return status.Expired(f"too old resource version: {err.asked + 1} (the oldest that is kept: {err.first})")


def _failure(err: status.StatusError) -> bytes:
    return orjson.dumps({"frame": {"type": "ERROR", "object": err.to_status()}}) + b"\n"
