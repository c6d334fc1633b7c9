"""Changes that are older than the window, read back from the stream, up to where the window takes over.

The stream is read with the resource's filter and, beside it, the subject of the newest change that the cache had
applied at the start: once that one comes by, everything older of the resource has come by too, even if there was
nothing. So `covered` rises to a number that the window reaches, and no change is missed or shown twice.

A selector needs the object as it was before a change. The first time that a replay meets an object, it asks the stream
for the last change before; from then on it knows. Where retention has removed that one, the object counts as having
matched before: a watcher then hears MODIFIED for an object it may not have known, or DELETED for one it does not have,
and never misses one that it must forget.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from apiserver.cache import Cache, Cached, WindowChange
from apiserver.cache.cache import Applied
from apiserver.cache.feed import NotAChange, Parts, parts_of
from apiserver.store.seal import Sealer
from apiserver.watch.view import View
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.lookup import last_change
from broker.tail import tail


class Replay:
    """One watcher's way from `after_rv` to the window. Raises StreamExpired, BusUnavailable."""

    def __init__(self, cache: Cache, connection: Connection, sealer: Sealer, view: View, *, after_rv: int) -> None:
        self.covered = after_rv
        self._connection = connection
        self._sealer = sealer
        self._view = view
        self._table = cache.table(view.resource)
        self._known: dict[str, Cached | None] = {}
        self._prefix = f"{view.namespace}/" if view.namespace else ""
        self._batches: AsyncIterator[Sequence[Change]] = tail(
            connection, after=after_rv, filters=_filters(view, cache.last_subject)
        )

    @property
    def complete(self) -> bool:
        """The window holds everything beyond `covered`. True only until the next change is applied."""
        return self.covered >= self._table.floor

    async def next_batch(self) -> list[Applied]:
        """The next changes of the view's resource and namespace, perhaps none. Whole: where the bus goes away within a
        batch, nothing of it is covered, and another replay reads it again."""
        batch = [change for change in await anext(self._batches) if change.rv > self.covered]
        taken = [applied for change in batch if (applied := await self._taken(change)) is not None]
        if batch:
            self.covered = batch[-1].rv
        return taken

    async def close(self) -> None:
        closing = getattr(self._batches, "aclose", None)
        if closing is not None:
            await closing()

    async def _taken(self, change: Change) -> Applied | None:
        try:
            parts = parts_of(change)
        except NotAChange:
            return None  # the cache has said so in the log
        if parts.resource != self._view.resource or not parts.key.startswith(self._prefix):
            return None
        plain = self._sealer.show(parts.object)
        now = Cached(parts.key, change.rv, plain)
        before, unknown = await self._before(change.rv, parts) if self._view.match is not None else (None, False)
        self._known[parts.key] = None if parts.type == "DELETED" else now
        shown = WindowChange(change.rv, parts.type, now, before, before_unknown=unknown)
        return Applied(self._table, shown, change.body if plain is parts.object else None)

    async def _before(self, rv: int, parts: Parts) -> tuple[Cached | None, bool]:
        """The object before the change, and whether that is not known."""
        if parts.type == "ADDED":
            return None, False
        if parts.key in self._known:
            return self._known[parts.key], False
        namespace, _, name = parts.key.partition("/")
        resource = parts.resource
        where = subjects.filter_for(group=resource.group, resource=resource.resource, namespace=namespace, name=name)
        earlier = await last_change(self._connection, where, up_to=rv - 1)
        if earlier is None:
            return None, True
        was = parts_of(earlier)
        if was.type == "DELETED":
            return None, False
        return Cached(parts.key, earlier.rv, self._sealer.show(was.object)), False


def _filters(view: View, newest_subject: str) -> list[str]:
    """The view's own changes and the subject that marks the end; filters of one consumer must not overlap. Where the
    cache has seen no change yet, all changes are read."""
    if not newest_subject:
        return [subjects.ALL]
    resource = view.resource
    own = subjects.filter_for(group=resource.group, resource=resource.resource, namespace=view.namespace or None)
    return [own] if newest_subject.startswith(own.removesuffix(">")) else [own, newest_subject]
