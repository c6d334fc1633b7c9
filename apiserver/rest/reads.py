"""GET, LIST and WATCH.

GET asks the store. LIST is served from the cache: by default it first asks the store for the current resourceVersion
and waits until the cache has reached it, so a client reads its own writes; while the bus is away it reads the store
itself. WATCH is served by the hub (`apiserver.watch`), which writes each change once for all watchers of the same view.

What a LIST shows, by `resourceVersion` and `resourceVersionMatch`:

    none                     the present, as of the request at least
    0                        whatever the cache holds
    N, NotOlderThan or none  a state not older than N
    N, Exact                 the state at N; also without a match when there is a limit, as upstream does
    continue                 the state that the first page was taken from

States of the past come from the cache's window, and from the stream where that does not reach back so far.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from apiserver.api import status
from apiserver.cache import Cache, Cached, ContinueToken, ListPage, Matcher, SnapshotExpired
from apiserver.history.state import Snapshots, TooMuchChanged
from apiserver.rest import continuation, encode, objectform
from apiserver.rest.call import Call
from apiserver.rest.forms import form_of
from apiserver.rest.http import Response, Stream
from apiserver.rest.options import EXACT, ListOptions, list_options, parse_rv
from apiserver.rest.present import CACHE_WAIT_SECONDS, Present
from apiserver.rest.records import Current, Records
from apiserver.rest.selection import matcher_of
from apiserver.store.base import StoredResource
from apiserver.watch import View, WatchHub, WatchOptions
from apiserver.watch.frames import too_large
from broker.errors import BusUnavailable, StreamExpired, StreamMissing

Obj = dict[str, Any]
Fill = Callable[[Sequence[bytes]], Awaitable[Sequence[bytes]]]

_LIST_TOO_OLD = "The resourceVersion for the provided list is too old."
_EXPORT_GONE = "the export parameter, deprecated since v1.14, is no longer supported"


class Reader:
    """The read side of one server."""

    def __init__(
        self,
        records: Records,
        present: Present,
        cache: Cache,
        hub: WatchHub,
        snapshots: Snapshots,
        *,
        live: Mapping[StoredResource, Fill] = {},
    ) -> None:
        self._records = records
        self._present = present
        self._cache = cache
        self._hub = hub
        self._snapshots = snapshots
        self._live = live
        """Resources whose objects are completed with something of this moment whenever they are read."""

    async def get(self, call: Call) -> Response:
        query = call.request.query
        if query.flag("export"):
            raise status.BadRequest(_EXPORT_GONE)
        await self._not_beyond(parse_rv(query.text("resourceVersion")))
        found = await self._records.get(call.endpoint, call.namespace, call.name)
        fill = self._live.get(call.endpoint.stored)
        return call.answer(Current(found.rv, (await fill([found.json]))[0]) if fill else found)

    async def _not_beyond(self, rv: int) -> None:
        """A GET reads the newest state, which is new enough unless the client has seen another record."""
        if rv and rv > (now := await self._present.current_rv()):
            raise too_large(rv, now)

    async def list(self, call: Call) -> Response:
        page = await self.page(call)
        fill = self._live.get(call.endpoint.stored)
        of_the_past = call.request.query.text("resourceVersionMatch") == EXACT
        return list_response(call, await _filled(page, fill) if fill and not of_the_past else page)

    async def page(self, call: Call) -> ListPage:
        """What a LIST with this call's parameters holds. Raises BadRequest, Expired, Timeout, ServiceUnavailable."""
        options = list_options(call.request.query, watch=False)
        match = matcher_of(call.endpoint, options)
        after = await self._snapshot(options)
        try:
            return self._cache.list(
                call.endpoint.stored, namespace=call.namespace, match=match, limit=options.limit, after=after
            )
        except SnapshotExpired:
            if after is None:
                raise
            return await self._page_of_the_past(call, match, options.limit, after)

    async def _page_of_the_past(self, call: Call, match: Matcher | None, limit: int, after: ContinueToken) -> ListPage:
        """The window does not reach back so far; the stream may."""
        try:
            table = await self._snapshots.table_at(call.endpoint.stored, after.rv)
            return table.list(namespace=call.namespace, match=match, limit=limit, after=after, rv=after.rv)
        except (StreamExpired, TooMuchChanged) as err:
            raise (continuation.too_old(after) if after.key else status.Expired(_LIST_TOO_OLD)) from err
        except (BusUnavailable, StreamMissing) as err:
            raise status.ServiceUnavailable(f"the stream cannot be read: {err}", retry_after_seconds=1) from err

    async def _snapshot(self, options: ListOptions) -> ContinueToken | None:
        """The state that a LIST shows, once it can be had. None stands for what the cache holds."""
        if options.token:
            return await self._continued(options)
        asked = parse_rv(options.resource_version)
        if options.resource_version == "":
            await self._present.reach()
        elif asked == 0:
            await self._present.reach_rv(0)
        elif not await self._cache.wait_for(asked, timeout_seconds=CACHE_WAIT_SECONDS):
            raise too_large(asked, self._cache.rv)
        exact = options.match == EXACT or (not options.match and options.limit)
        return ContinueToken(asked, "") if asked and exact else None

    async def _continued(self, options: ListOptions) -> ContinueToken:
        token = continuation.decode(options.token)
        if options.resource_version not in ("", "0"):
            raise status.BadRequest("specifying resource version is not allowed when using continue")
        if token.rv > 0:
            await self._present.reach_rv(token.rv)
            return token
        await self._present.reach()
        return ContinueToken(self._cache.rv, token.key)

    async def watch(self, call: Call) -> Stream:
        if call.accepted.yaml:
            raise status.NotAcceptable("only the following media types are accepted: application/json;stream=watch")
        options = list_options(call.request.query, watch=True)
        form = form_of(call)
        view = View(
            resource=call.endpoint.stored,
            namespace=call.namespace,
            match=matcher_of(call.endpoint, options, name=call.name),
            form=form.encode,
            form_key=form.key,
        )
        after = parse_rv(options.resource_version)
        if options.resource_version == "":
            await self._present.reach()
        watcher = await self._hub.watch(
            view,
            WatchOptions(
                after_rv=after,
                send_initial_events=options.send_initial_events,
                bookmarks=options.bookmarks,
                timeout_seconds=_lifetime(options),
                kind=form.kind,
                list_kind=form.list_kind,
                api_version=form.api_version,
            ),
        )
        return Stream(watcher, cut=watcher.cut)


async def _filled(page: ListPage, fill: Fill) -> ListPage:
    filled = await fill([one.json for one in page.items])
    items = [Cached(one.key, one.rv, raw) for one, raw in zip(page.items, filled, strict=True)]
    return replace(page, items=items)


def _lifetime(options: ListOptions) -> float | None:
    """None: the server chooses."""
    seconds = options.timeout_seconds
    return None if not seconds else max(float(seconds), 0.0)


def list_response(call: Call, page: ListPage) -> Response:
    """A page in the form that the client asked for."""
    meta = _list_meta(page)
    endpoint = call.endpoint
    if call.accepted.form == "object" and not endpoint.converted:
        items = (one.json for one in page.items)
        return Response(encode.list_bytes(f"{endpoint.kind}List", endpoint.api_version, meta, items))
    objects = [endpoint.from_storage(orjson.loads(one.json)) for one in page.items]
    return Response(orjson.dumps(objectform.list_document(call, objects, meta)))


def _list_meta(page: ListPage) -> Obj:
    meta: Obj = {"resourceVersion": str(page.rv)}
    if page.next is not None:
        meta["continue"] = continuation.encode(page.next)
        if page.remaining:
            meta["remainingItemCount"] = page.remaining
    return meta
