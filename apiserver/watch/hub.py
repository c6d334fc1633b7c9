"""All watchers of one server. Finds each its group and its beginning, and hands every batch of changes to the groups
that it concerns.

A thousand watchers of one view cost one encoding per change, and one write per watcher and turn of the event loop.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from apiserver.api.status import ServiceUnavailable, TooManyRequests
from apiserver.cache import Cache
from apiserver.cache.cache import Applied
from apiserver.store.base import StoredResource
from apiserver.watch import frames
from apiserver.watch.beginning import Beginning, FromHistory, FromState, FromWindow
from apiserver.watch.group import Group
from apiserver.watch.history import Replay
from apiserver.watch.view import GroupKey, View, WatchOptions
from apiserver.watch.watcher import Ending, Watcher, WatchSettings
from broker.connection import Connection


class WatchHub:
    """See the module's docstring. Listens to the cache from its making on."""

    def __init__(
        self,
        cache: Cache,
        connection: Connection,
        settings: WatchSettings = WatchSettings(),  # noqa: B008 - frozen
    ) -> None:
        self._cache = cache
        self._connection = connection
        self._settings = settings
        self._groups: dict[GroupKey, Group] = {}
        self._by_place: dict[tuple[StoredResource, str], list[Group]] = defaultdict(list)
        self._watchers: set[Watcher] = set()
        self._closed = False
        cache.listen(self)

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    async def watch(self, view: View, options: WatchOptions) -> Watcher:
        """A watcher that begins where the options say; one that asks for what retention has removed ends with an ERROR
        frame (410), as upstream's. Raises Timeout (504) for a resourceVersion that is not reached in time,
        TooManyRequests (429) while the cache loads, ServiceUnavailable (503) when the server stops."""
        await self._reach(options.after_rv)
        # From here on nothing is awaited: the table, the window and the end of the chain belong together.
        if self._closed:
            raise ServiceUnavailable("the server is shutting down", retry_after_seconds=1)
        group = self._group(view)
        watcher = Watcher(
            self._cache,
            group,
            options,
            self._beginning(group, options),
            timeout_seconds=self._timeout(options),
            settings=self._settings,
            on_close=self._forget,
        )
        self._watchers.add(watcher)
        return watcher

    async def _reach(self, rv: int) -> None:
        if await self._cache.wait_for(rv, timeout_seconds=self._settings.reach_seconds):
            return
        if not self._cache.ready:
            raise TooManyRequests("storage is (re)initializing", retry_after_seconds=1)
        raise frames.too_large(rv, self._cache.rv)

    def _needs_history(self, view: View, options: WatchOptions) -> bool:
        return (
            not options.wants_state
            and options.after_rv > 0
            and options.after_rv < self._cache.table(view.resource).floor
        )

    def _beginning(self, group: Group, options: WatchOptions) -> Beginning | None:
        if options.wants_state:
            return FromState(self._cache, group, options)
        if not options.after_rv:
            return None
        if self._needs_history(group.view, options):
            return FromHistory(self._cache, group, self._replay_of(group.view), after_rv=options.after_rv)
        return FromWindow(self._cache, group, after_rv=options.after_rv)

    def _replay_of(self, view: View) -> _OpenReplay:
        return _OpenReplay(self._cache, self._connection, view)

    def _timeout(self, options: WatchOptions) -> float:
        if options.timeout_seconds is not None:
            return options.timeout_seconds
        return self._settings.shortest_seconds * (1 + random.random())  # noqa: S311 - spreads load, no secret

    def _group(self, view: View) -> Group:
        group = self._groups.get(view.group_key)
        if group is None:
            group = self._groups[view.group_key] = Group(view, max_lag_bytes=self._settings.max_lag_bytes)
            self._by_place[(view.resource, view.namespace)].append(group)
        return group

    def _forget(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not watcher.group.members:
            self._drop(watcher.group)

    def _drop(self, group: Group) -> None:
        view = group.view
        if self._groups.get(view.group_key) is not group:
            return
        del self._groups[view.group_key]
        place = (view.resource, view.namespace)
        self._by_place[place].remove(group)
        if not self._by_place[place]:
            del self._by_place[place]

    def close(self) -> None:
        """End all watchers, and take no more: the server stops. Clients begin again elsewhere from what they have
        seen."""
        self._closed = True
        for watcher in list(self._watchers):
            watcher.end(Ending.CLOSED)

    def applied(self, changes: Sequence[Applied]) -> None:
        """Called by the cache in the turn in which it applied them."""
        by_place: dict[tuple[StoredResource, str], list[Applied]] = {}
        for one in changes:
            resource = one.table.resource
            namespace = one.change.now.key.partition("/")[0]
            for place in ((resource, ""), (resource, namespace)) if namespace else ((resource, ""),):
                if place in self._by_place:
                    by_place.setdefault(place, []).append(one)
        memo: frames.Memo = {}
        for place, concerned in by_place.items():
            for group in self._by_place[place]:
                group.publish(concerned, memo)

    def reloading(self) -> None:
        """Called by the cache when it lost the thread: whoever watches must list again."""
        for watcher in list(self._watchers):
            watcher.expire(self._cache.rv)
        for group in list(self._groups.values()):
            self._drop(group)


class _OpenReplay:
    """Opens the stream for one view, at any number."""

    def __init__(self, cache: Cache, connection: Connection, view: View) -> None:
        self._cache = cache
        self._connection = connection
        self._view = view

    def __call__(self, after_rv: int) -> Replay:
        return Replay(self._cache, self._connection, self._cache.sealer, self._view, after_rv=after_rv)
