"""GET, LIST and WATCH.

GET asks the store. LIST is served from the cache: by default it first asks the store for the current resourceVersion
and waits until the cache has reached it, so a client reads its own writes; while the bus is away it reads the store
itself. WATCH is served by the hub (`apiserver.watch`), which writes each change once for all watchers of the same view.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

import orjson

from apiserver.api import status
from apiserver.api.selectors import FieldSelector, LabelSelector, SelectorError
from apiserver.cache import Cache, Cached, ContinueToken, ListPage, Matcher, SnapshotExpired
from apiserver.rest import encode, objectform
from apiserver.rest.call import Call
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.forms import Form, form_of
from apiserver.rest.http import Response, Stream, json_response
from apiserver.rest.records import Records, unavailable
from apiserver.store.base import Store, StoreUnavailable
from apiserver.watch import View, WatchHub, WatchOptions

Obj = dict[str, Any]

CACHE_WAIT_SECONDS = 3.0
"""How long a LIST waits for the cache before it reads the store (upstream: `consistentReadTimeout`)."""
BUS_AWAY_WAIT_SECONDS = 0.05


async def get(records: Records, call: Call) -> Response:
    return call.answer(await records.get(call.endpoint, call.namespace, call.name))


class Reader:
    """The read side of one server."""

    def __init__(self, store: Store, cache: Cache, hub: WatchHub, *, bus_connected: Callable[[], bool]) -> None:
        self._store = store
        self._cache = cache
        self._hub = hub
        self._bus_connected = bus_connected

    async def list(self, call: Call) -> Response:
        page = await self.page(call)
        meta = _list_meta(page)
        if call.accepted.form == "object" and not call.accepted.yaml and not call.endpoint.converted:
            body = encode.list_bytes(
                f"{call.endpoint.kind}List", call.endpoint.api_version, meta, (c.json for c in page.items)
            )
            return Response(body)
        objects = [call.endpoint.from_storage(orjson.loads(c.json)) for c in page.items]
        return json_response(objectform.list_document(call, objects, meta), as_yaml=call.accepted.yaml)

    async def page(self, call: Call) -> ListPage:
        """What a LIST with this call's parameters holds. Raises BadRequest, Expired, Timeout, ServiceUnavailable."""
        query = call.request.query
        match = matcher_of(call)
        limit = query.integer("limit") or 0
        if limit < 0:
            raise status.BadRequest("limit must not be negative")
        token = _decode_token(query.text("continue"))
        _check_match(call, token is not None)
        if token is None:
            await self._reach(call)
        try:
            return self._cache.list(
                call.endpoint.stored, namespace=call.namespace, match=match, limit=limit, after=token
            )
        except SnapshotExpired as err:
            raise status.Expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a "
                "new list without the continue parameter."
            ) from err

    async def _reach(self, call: Call) -> None:
        """Wait until the cache is at what the client asked for."""
        asked = call.request.query.text("resourceVersion")
        if asked == "0":
            if not self._cache.ready:
                await self._wait(0)
            return
        if asked:
            await self._wait_for_asked(parse_rv(asked))
            return
        try:
            now = await self._store.current_rv()
        except StoreUnavailable as err:
            raise unavailable(err) from err
        await self._wait(now)

    async def _wait(self, rv: int) -> None:
        patience = CACHE_WAIT_SECONDS if self._bus_connected() else BUS_AWAY_WAIT_SECONDS
        if await self._cache.wait_for(rv, timeout_seconds=patience):
            return
        try:
            await self._cache.catch_up_from_store()
        except StoreUnavailable as err:
            raise unavailable(err) from err

    async def _wait_for_asked(self, rv: int) -> None:
        if await self._cache.wait_for(rv, timeout_seconds=CACHE_WAIT_SECONDS):
            return
        raise too_large(rv, self._cache.rv)

    async def watch(self, call: Call) -> Stream:
        query = call.request.query
        form = form_of(call)
        view = View(
            resource=call.endpoint.stored,
            namespace=call.namespace,
            match=matcher_of(call),
            form=form.encode,
            form_key=form.key,
        )
        asked = query.text("resourceVersion")
        initial = query.flag("sendInitialEvents")
        if initial is not None and query.text("resourceVersionMatch") != "NotOlderThan":
            raise _options_invalid(
                "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to "
                "NotOlderThan"
            )
        if not asked and initial is None:
            await self._reach(call)
        watcher = await self._hub.watch(
            view,
            WatchOptions(
                after_rv=parse_rv(asked) if asked else 0,
                send_initial_events=initial,
                bookmarks=bool(query.flag("allowWatchBookmarks")),
                timeout_seconds=_timeout(query.integer("timeoutSeconds")),
                kind=call.endpoint.kind,
                api_version=call.endpoint.api_version,
            ),
        )
        return Stream(watcher, form.content_type)


def _timeout(seconds: int | None) -> float | None:
    if seconds is not None and seconds < 0:
        raise status.BadRequest("timeoutSeconds must not be negative")
    return float(seconds) if seconds else None


def parse_rv(text: str) -> int:
    if not text.isdigit():
        raise status.BadRequest(f'invalid resource version "{text}": strconv.ParseUint: invalid syntax')
    return int(text)


def too_large(asked: int, current: int) -> status.Timeout:
    """The client is ahead of this server: as upstream, it should ask again in a second."""
    return status.Timeout(
        f"Too large resource version: {asked}, current: {current}",
        causes=[status.Cause("ResourceVersionTooLarge", "Too large resource version")],
        retry_after_seconds=1,
    )


def _check_match(call: Call, continued: bool) -> None:
    """`resourceVersionMatch` in the combinations that the API concepts document."""
    query = call.request.query
    match, rv = query.text("resourceVersionMatch"), query.text("resourceVersion")
    if not match:
        return
    if not rv:
        raise _options_invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
        )
    if continued:
        raise _options_invalid(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
        )
    if match not in ("Exact", "NotOlderThan"):
        raise _options_invalid(
            f'resourceVersionMatch: Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        )
    if match == "Exact" and rv == "0":
        raise _options_invalid(
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        )


def _options_invalid(why: str) -> status.Invalid:
    return status.Invalid(f'ListOptions.meta.k8s.io "" is invalid: {why}', group="meta.k8s.io", kind="ListOptions")


def _list_meta(page: ListPage) -> Obj:
    meta: Obj = {"resourceVersion": str(page.rv)}
    if page.next is not None:
        meta["continue"] = _encode_token(page.next)
        if page.remaining:
            meta["remainingItemCount"] = page.remaining
    return meta


def _encode_token(token: ContinueToken) -> str:
    raw = orjson.dumps({"v": 1, "rv": token.rv, "start": token.key})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode_token(text: str) -> ContinueToken | None:
    if not text:
        return None
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return ContinueToken(rv=int(raw["rv"]), key=str(raw["start"]))
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as err:
        raise status.BadRequest("continue key is not valid") from err


def matcher_of(call: Call) -> Matcher | None:
    """The selectors of a request. None selects everything. Raises BadRequest."""
    query = call.request.query
    labels_text, fields_text = query.text("labelSelector"), query.text("fieldSelector")
    name = call.name
    if not labels_text and not fields_text and not name:
        return None
    try:
        labels = LabelSelector.parse(labels_text) if labels_text else None
        fields = FieldSelector.parse(fields_text) if fields_text else None
    except SelectorError as err:
        raise status.BadRequest(str(err)) from err
    if fields is not None:
        _check_fields(call.endpoint, fields)
    if name:
        named = FieldSelector.parse(f"metadata.name={name}")
        fields = FieldSelector((*fields.requirements, *named.requirements)) if fields else named
    return Matcher(
        key=f"{labels.key if labels else ''}|{fields.key if fields else ''}",
        labels=labels.matches if labels else None,
        fields=fields.matches if fields else None,
    )


def _check_fields(endpoint: Endpoint, selector: FieldSelector) -> None:
    known = endpoint.rules.field_names | {"metadata.name"}
    if endpoint.resource.namespaced:
        known = known | {"metadata.namespace"}
    for requirement in selector.requirements:
        if requirement.field not in known:
            raise status.BadRequest(
                f'Unable to find "{endpoint.api_version}, Resource={endpoint.resource.plural}" that match label '
                f'selector "", field selector "{requirement.field}": field label not supported: {requirement.field}'
            )


def raw_items(page: ListPage) -> list[bytes]:
    return [c.json for c in page.items]


__all__ = ["Cached", "Form", "Reader", "get", "matcher_of", "raw_items"]
