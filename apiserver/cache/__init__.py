"""The read side: every object and a window of recent changes, kept by following the stream like any subscriber.

objects     one object as bytes, with what selectors look at
table       the objects of one resource, pages of them, and the window
feed        changes from the bus or the outbox, in order, each once
cache       all resources; loading, following, waiting for a resourceVersion
"""

from apiserver.cache.cache import Cache, CacheSettings
from apiserver.cache.objects import Cached, FieldsOf, Matcher
from apiserver.cache.table import ContinueToken, ListPage, SnapshotExpired, WindowChange

__all__ = [
    "Cache",
    "CacheSettings",
    "Cached",
    "ContinueToken",
    "FieldsOf",
    "ListPage",
    "Matcher",
    "SnapshotExpired",
    "WindowChange",
]
