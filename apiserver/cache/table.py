"""The objects of one resource in the order of their keys, and the window: its recent changes with what was before.

The window serves two things: watchers that resume a little back, and the later pages of a list, which must show the
state that the first page was taken from; that state is had by undoing the window's changes since. It is complete for
everything after `floor`, and bounded by count and bytes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from sortedcontainers import SortedDict

from apiserver.cache.objects import Cached, Extract, Matcher
from apiserver.store.base import ChangeType, StoredResource

AFTER_SLASH = "0"
"""The character after `/`: `ns/` <= every key of the namespace < `ns0`."""


class SnapshotExpired(Exception):
    """The window no longer reaches back to the token's resourceVersion. The list must begin anew."""


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """Where the next page goes on: the state at `rv`, after `key`. An empty key means from the start."""

    rv: int
    key: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """Objects of the state at `rv`. `remaining` counts what follows, and is 0 where a selector makes it unknown."""

    items: list[Cached]
    rv: int
    next: ContinueToken | None = None
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class WindowChange:
    """One change. For DELETED, `now` is the last state under the deletion's rv. `before` is None where the key had no
    object."""

    rv: int
    type: ChangeType
    now: Cached
    before: Cached | None
    before_unknown: bool = False
    """Only in what is read back from the stream: there was an object, and retention has removed it."""

    @property
    def size(self) -> int:
        return len(self.now.json)


class Table:
    """One resource. All changes must come in order; `floor` <= rv of every change in the window."""

    def __init__(
        self, resource: StoredResource, extract: Extract, *, floor: int, max_changes: int, max_bytes: int
    ) -> None:
        self.resource = resource
        self.extract = extract
        self.floor = floor
        self._objects: SortedDict[str, Cached] = SortedDict()
        self._window: deque[WindowChange] = deque()
        self._window_bytes = 0
        self._max_changes = max_changes
        self._max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> Cached | None:
        found: Cached | None = self._objects.get(key)
        return found

    def load(self, objects: Iterable[Cached]) -> None:
        self._objects.update((cached.key, cached) for cached in objects)

    def apply(self, kind: ChangeType, now: Cached) -> WindowChange | None:
        """Take one change in. None when the object is already at it or beyond: a load saw it first."""
        before: Cached | None = self._objects.get(now.key)
        if before is not None and before.rv >= now.rv:
            return None
        if kind == "DELETED":
            self._objects.pop(now.key, None)
        else:
            self._objects[now.key] = now
        change = WindowChange(now.rv, kind, now, before)
        self._remember(change)
        return change

    def forget_window(self, floor: int) -> None:
        """What came before `floor` is not known well enough to be undone or replayed."""
        self._window.clear()
        self._window_bytes = 0
        self.floor = floor

    def _remember(self, change: WindowChange) -> None:
        self._window.append(change)
        self._window_bytes += change.size
        while len(self._window) > self._max_changes or (self._window_bytes > self._max_bytes and len(self._window) > 1):
            oldest = self._window.popleft()
            self._window_bytes -= oldest.size
            self.floor = oldest.rv

    def changes_after(self, rv: int) -> list[WindowChange]:
        """In order. Complete when `rv` >= `floor`."""
        newest: list[WindowChange] = []
        for change in reversed(self._window):
            if change.rv <= rv:
                break
            newest.append(change)
        newest.reverse()
        return newest

    def matching(self, namespace: str, match: Matcher | None) -> list[Cached]:
        """Everything that a watcher of this selection starts from, in the order of keys."""
        objects = self._objects
        everything = objects.values() if not namespace else (objects[key] for key in self._range(namespace, ""))
        return list(everything) if match is None else [one for one in everything if self._matches(one, match)]

    def list(
        self, *, namespace: str, match: Matcher | None, limit: int, after: ContinueToken | None, rv: int
    ) -> ListPage:
        """A page of the state at the token's rv, else of the state now, which is at `rv`. Raises SnapshotExpired."""
        if after is None and not limit:
            return ListPage(self.matching(namespace, match), rv)
        undone: Mapping[str, Cached | None] = {}
        start = ""
        if after is not None:
            start, undone = after.key, self._undone_since(after.rv, rv)
            rv = after.rv
        found = self._snapshot(namespace, start, undone)
        if match is not None:
            found = (one for one in found if self._matches(one, match))
        items = list(islice(found, limit or None))
        if not limit or next(found, None) is None:
            return ListPage(items, rv)
        last = items[-1].key
        remaining = self._count_after(namespace, last, undone) if match is None else 0
        return ListPage(items, rv, ContinueToken(rv, last), remaining)

    def _matches(self, cached: Cached, match: Matcher) -> bool:
        return match.matches(cached.facts(self.extract))

    def _undone_since(self, rv: int, now_rv: int) -> Mapping[str, Cached | None]:
        """For every key that changed since `rv`, what it held then."""
        if rv < self.floor or rv > now_rv:
            raise SnapshotExpired(rv)
        undone: dict[str, Cached | None] = {}
        for change in reversed(self._window):
            if change.rv <= rv:
                break
            undone[change.now.key] = change.before
        return undone

    def _snapshot(self, namespace: str, start: str, undone: Mapping[str, Cached | None]) -> Iterator[Cached]:
        """Objects after `start` in the order of keys, with the later changes undone."""
        revived = sorted(key for key in undone if key not in self._objects and _within(key, namespace, start))
        for key in _merged(self._range(namespace, start), revived):
            one = undone[key] if key in undone else self._objects[key]
            if one is not None:
                yield one

    def _range(self, namespace: str, start: str) -> Iterator[str]:
        low, high = _bounds(namespace, start)
        keys: Iterator[str] = self._objects.irange(low, high, inclusive=(low != start, False))
        return keys

    def _count_after(self, namespace: str, last: str, undone: Mapping[str, Cached | None]) -> int:
        _, high = _bounds(namespace, last)
        end = len(self._objects) if high is None else self._objects.bisect_left(high)
        count: int = end - self._objects.bisect_right(last)
        for key, was in undone.items():
            if _within(key, namespace, last):
                count += (was is not None) - (key in self._objects)
        return count


def _bounds(namespace: str, start: str) -> tuple[str | None, str | None]:
    """Keys k with low < k (<= where low is not `start`) and k < high."""
    if not namespace:
        return start or None, None
    return max(start, namespace + "/"), namespace + AFTER_SLASH


def _within(key: str, namespace: str, start: str) -> bool:
    return key > start and (not namespace or key.startswith(namespace + "/"))


def _merged(keys: Iterator[str], revived: list[str]) -> Iterator[str]:
    """Two ordered runs without common keys as one. Lazy in the first, which may be long."""
    position = 0
    for key in keys:
        while position < len(revived) and revived[position] < key:
            yield revived[position]
            position += 1
        yield key
    yield from revived[position:]
