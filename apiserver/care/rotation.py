"""POST /backbeat/secrets/rotate: every Secret sealed anew with the first key.

Each one is written as it is, under a new number, so watchers hear of it and everything else goes on. The keys are read
again before: a new one was put in front of the old ones. Those are needed for as long as the stream, the outbox or a
backup holds what they sealed.

    {"end": {"key": "…", "rotated": 12, "already": 3, "unreadable": ["…"], "otherKeys": ["…"]}}
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apiserver.api import status
from apiserver.authn import User
from apiserver.care.told import Lines, Progress
from apiserver.rest.endpoint import Endpoint, Endpoints
from apiserver.rest.records import Actor, Changed, Records
from apiserver.store.base import Key, Store
from apiserver.store.seal import SEALED_KINDS, Sealer, Unsealable, key_id_of

AT_ONCE = 16


@dataclass(slots=True)
class _Count:
    rotated: int = 0
    already: int = 0
    unreadable: list[str] = field(default_factory=list)


class Rotation:
    def __init__(self, store: Store, records: Records, endpoints: Endpoints, sealer: Sealer) -> None:
        self._store = store
        self._records = records
        self._endpoints = endpoints
        self._sealer = sealer

    async def rotate(self, user: User) -> Lines:
        """Raises KeyFileError, StatusError, StoreUnavailable."""
        self._sealer.reload()
        count = _Count()
        actor = Actor(user, datetime.now(UTC))
        for resource in SEALED_KINDS.values():
            endpoint = self._endpoints.stored_as(resource)
            if endpoint is None:
                raise status.internal_error(RuntimeError(f"{resource.resource} are not served"))
            progress = Progress(resource.resource)
            async for batch in self._store.scan(resource):
                keys = [key for key, _ in batch]
                for start in range(0, len(keys), AT_ONCE):
                    part = keys[start : start + AT_ONCE]
                    await asyncio.gather(*(self._one(endpoint, key, actor, count) for key in part))
                    if line := progress.add(len(part)):
                        yield line
        yield {
            "end": {
                "key": self._sealer.key_id,
                "rotated": count.rotated,
                "already": count.already,
                "unreadable": sorted(count.unreadable),
                "otherKeys": [one for one in self._sealer.key_ids if one != self._sealer.key_id],
            }
        }

    async def _one(self, endpoint: Endpoint, key: str, actor: Actor, count: _Count) -> None:
        namespace, _, name = key.partition("/")
        while True:
            stored = await self._store.get(Key(endpoint.stored, namespace, name))
            if stored is None:
                return  # deleted meanwhile
            if key_id_of(stored.json) == self._sealer.key_id:
                count.already += 1
                return
            try:
                self._sealer.unseal(stored.json)
            except Unsealable as err:
                count.unreadable.append(str(err))
                return
            current = await self._records.get(endpoint, namespace, name)
            try:
                await self._records.commit(
                    endpoint, current.parse(), change="MODIFIED", expected_rv=current.rv, actor=actor
                )
            except Changed:
                continue
            count.rotated += 1
            return
