"""A handler per object: never two at once for the same one, side by side for different ones.

Delivery contract
  1. `handle(key, changes)` gets all changes of one object that came since its last turn, in order: one or more.
  2. The same key is never handled twice at once; up to `workers` different ones are.
  3. A change is done when its handler returned. The cursor follows the highest resourceVersion up to which all are
     done, so after a crash the unfinished ones come again, and with them those that were finished out of turn. Handlers
     MUST bear repeats.
  4. A handler that raises is called again with the same changes, and those that came meanwhile, after a pause that
     grows to half a minute. Nothing is ever given up: a change that can't be handled is for the handler to catch, or it
     holds the cursor for ever, which `kubectl get subscriptions` shows as lag.
  5. No more than `at_once` changes are in hand; then no new ones are taken.

Not promised: any order between objects.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog

from broker.change import Change, Key
from broker.cursor import Cursor
from broker.subjects import BadSubject
from broker.tasks import unwrapped
from broker.workqueue import WorkQueue

log = structlog.get_logger(__name__)

Handle = Callable[[Key, Sequence[Change]], Awaitable[None]]


async def by_key(cursor: Cursor, handle: Handle, *, workers: int = 8, at_once: int = 1000, fresh: bool = False) -> None:
    """Handle changes until cancelled. Of a Subscription that starts from Everything, and with `fresh`, what exists
    comes first, as in `broker.listen.follow`. Raises CursorLost, ApiError."""
    hands = _Hands(cursor, handle, at_once)
    try:
        async with unwrapped(), asyncio.TaskGroup() as group:
            group.create_task(hands.take(fresh=fresh), name="by-key-take")
            for number in range(workers):
                group.create_task(hands.work(), name=f"by-key-worker-{number}")
    finally:
        hands.close()


class _Hands:
    def __init__(self, cursor: Cursor, handle: Handle, at_once: int) -> None:
        self._cursor = cursor
        self._handle = handle
        self._room = asyncio.Semaphore(at_once)
        self._queue: WorkQueue[Key] = WorkQueue()
        self._waiting: dict[Key, list[Change]] = {}

    async def take(self, *, fresh: bool) -> None:
        first = fresh or self._cursor.snapshot_first
        source = self._cursor.snapshot_then_changes(fresh=fresh) if first else self._cursor.changes()
        async with contextlib.aclosing(source) as changes:
            async for change in changes:
                await self._room.acquire()
                try:
                    key = change.key
                except BadSubject:
                    log.warning("a foreign message stands in the stream", subject=change.subject)
                    await self._finish([change])
                    continue
                self._waiting.setdefault(key, []).append(change)
                self._queue.add(key)

    async def work(self) -> None:
        while True:
            key = await self._queue.get()
            try:
                await self._work_on(key)
            finally:
                self._queue.done(key)

    async def _work_on(self, key: Key) -> None:
        changes = self._waiting.pop(key, [])
        if not changes:
            return
        try:
            await self._handle(key, changes)
        except Exception as err:  # the handler is somebody else's: it is called again, and the others go on
            self._waiting[key] = changes + self._waiting.get(key, [])
            failures = self._queue.retry(key)
            log.warning("a handler failed and is called again", key=str(key), failures=failures, exc_info=err)
        else:
            self._queue.forget(key)
            await self._finish(changes)

    async def _finish(self, changes: Sequence[Change]) -> None:
        for change in changes:
            await self._cursor.done(change)
            self._room.release()

    def close(self) -> None:
        self._queue.close()
