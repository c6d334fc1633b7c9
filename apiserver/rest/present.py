"""The cache brought up to the present: everything that was committed before now is in it.

It follows the stream, so it is some milliseconds behind. Whoever must not miss what somebody has just written waits
here first: lists, watches, and decisions that look at all objects of a kind.
"""

from __future__ import annotations

from collections.abc import Callable

from apiserver.cache import Cache
from apiserver.rest.records import unavailable
from apiserver.store.base import Store, StoreUnavailable

CACHE_WAIT_SECONDS = 3.0
"""How long the stream may take before the record itself is read (upstream: `blockTimeout`)."""
BUS_AWAY_WAIT_SECONDS = 0.05


class Present:
    """All methods raise ServiceUnavailable while the store is away and the cache is behind."""

    def __init__(self, store: Store, cache: Cache, *, bus_connected: Callable[[], bool]) -> None:
        self._store = store
        self._cache = cache
        self._bus_connected = bus_connected

    async def current_rv(self) -> int:
        try:
            return await self._store.current_rv()
        except StoreUnavailable as err:
            raise unavailable(err) from err

    async def reach(self) -> None:
        """Wait until the cache holds everything that was committed before the call."""
        await self.reach_rv(await self.current_rv())

    async def reach_rv(self, rv: int) -> None:
        """Wait for a number that was given out already."""
        patience = CACHE_WAIT_SECONDS if self._bus_connected() else BUS_AWAY_WAIT_SECONDS
        if await self._cache.wait_for(rv, timeout_seconds=patience):
            return
        try:
            await self._cache.catch_up_from_store()
        except StoreUnavailable as err:
            raise unavailable(err) from err
