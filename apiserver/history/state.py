"""A resource as it was at a resourceVersion, when the cache's window no longer reaches back so far.

What did not change since is still there to be read: a present object with an older number. Every object that changed
since is found by reading its changes, and its state before the first of them is the last change the stream holds up to
that number. Where the first change since is ADDED, there was no object. Where it is anything else and the stream holds
nothing older, retention has removed what is needed, and the state cannot be told: StreamExpired.

The cost follows what changed since, not what there is; `MOST_CHANGED` bounds it.
"""

from __future__ import annotations

import asyncio

from apiserver.cache import Cache, Cached
from apiserver.cache.feed import parts_of
from apiserver.cache.table import Table
from apiserver.store.base import StoredResource
from apiserver.store.seal import Sealer
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.errors import StreamExpired
from broker.lookup import last_change
from broker.replay import replay

MOST_CHANGED = 50_000
_AT_ONCE = 64


class TooMuchChanged(Exception):
    """More objects changed since then than are looked up for one request."""


class Snapshots:
    def __init__(self, connection: Connection, cache: Cache, sealer: Sealer) -> None:
        self._connection = connection
        self._cache = cache
        self._sealer = sealer

    async def table_at(self, resource: StoredResource, rv: int) -> Table:
        """Raises StreamExpired, TooMuchChanged, BusUnavailable."""
        now = self._cache.rv
        present = self._cache.list(resource).items
        extract = self._cache.table(resource).extract
        changed = await self._changed_since(resource, rv, now)
        table = Table(resource, extract, floor=rv, max_changes=1, max_bytes=1)
        table.load([one for one in present if one.rv <= rv])
        table.load(await self._before(changed, rv))
        return table

    async def _changed_since(self, resource: StoredResource, rv: int, now: int) -> dict[str, Change]:
        """Of each object that changed, the first change since."""
        filters = [subjects.filter_for(group=resource.group, resource=resource.resource)]
        first: dict[str, Change] = {}
        async for change in replay(self._connection, after=rv, up_to=now, filters=filters):
            first.setdefault(parts_of(change).key, change)
            if len(first) > MOST_CHANGED:
                raise TooMuchChanged
        return first

    async def _before(self, changed: dict[str, Change], rv: int) -> list[Cached]:
        found: list[Cached] = []
        waiting = [(key, first) for key, first in changed.items() if first.type != "ADDED"]
        for start in range(0, len(waiting), _AT_ONCE):
            part = waiting[start : start + _AT_ONCE]
            found += await asyncio.gather(*(self._last(key, first, rv) for key, first in part))
        return found

    async def _last(self, key: str, first: Change, rv: int) -> Cached:
        place = subjects.parse(first.subject)
        found_by = subjects.filter_for(
            group=place.group, resource=place.resource, namespace=place.namespace, name=place.name
        )
        found = await last_change(self._connection, found_by, up_to=rv)
        if found is None:
            raise StreamExpired(rv, first.rv)
        return Cached(key, found.rv, self._sealer.show(found.object_bytes))
