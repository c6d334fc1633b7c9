"""What `/readyz`, `kubectl get componentstatuses` and the launcher are told.

Each part is a name and a reason; an empty reason means that it is well.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import orjson

from apiserver.cache import Cache
from apiserver.store.base import OutboxFull, RecordBehindStream, RecordClosed, Store, StoreUnavailable
from broker.connection import Connection
from broker.relay import Relay

WRITE_EVERY_SECONDS = 2.0


class Health:
    """Asks the parts; nothing is remembered but that the bootstrap was done."""

    def __init__(self, store: Store, connection: Connection, cache: Cache, relay: Relay) -> None:
        self._store = store
        self._connection = connection
        self._cache = cache
        self._relay = relay
        self.bootstrapped = False

    async def readiness(self) -> dict[str, str]:
        """Ready means: writes and reads are answered. The bus may be away; then watchers wait."""
        parts = await self._shared()
        parts["cache"] = "" if self._cache.ready else "loading"
        parts["bootstrap"] = "" if self.bootstrapped else "the system's namespaces are not there yet"
        return parts

    async def components(self) -> dict[str, str]:
        parts = await self._shared()
        parts["nats"] = "" if self._connection.connected else "not connected"
        return parts

    async def _shared(self) -> dict[str, str]:
        """`record` and `outbox`: Redis answers, and still no write may go into it."""
        parts = {"redis": "", "record": "", "outbox": ""}
        try:
            await self._store.check()
        except (RecordBehindStream, RecordClosed) as err:
            parts["record"] = str(err)
        except OutboxFull as err:
            parts["outbox"] = str(err)
        except StoreUnavailable as err:
            parts["redis"] = str(err)
        return parts


class HealthFile:
    """Writes the readiness where the launcher looks, for as long as the server runs."""

    def __init__(self, path: Path | None, health: Health) -> None:
        self._path = path
        self._health = health

    async def run(self) -> None:
        while self._path is not None:
            failed = {k: v for k, v in (await self._health.readiness()).items() if v}
            self._write(self._path, failed)
            await asyncio.sleep(WRITE_EVERY_SECONDS if not failed else 0.1)

    @staticmethod
    def _write(path: Path, failed: dict[str, str]) -> None:
        state = {
            "ready": not failed,
            "reason": "; ".join(f"{k}: {v}" for k, v in failed.items()),
            "time": datetime.now(UTC).isoformat(),
        }
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(orjson.dumps(state))
        scratch.replace(path)
