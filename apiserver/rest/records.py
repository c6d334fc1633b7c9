"""The record as the handlers see it: objects in their served version, errors as the API's.

The only place where an object becomes a `Commit`. Secrets are sealed here on their way out and opened on their way in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import orjson

from apiserver.api import status
from apiserver.authn import User
from apiserver.cache import Cache
from apiserver.rest import encode
from apiserver.rest.cause import Cause, micro_time
from apiserver.rest.endpoint import Endpoint
from apiserver.rest.fence import Fence
from apiserver.settings import MAX_OBJECT_BYTES
from apiserver.store.base import (
    ChangeType,
    Commit,
    Key,
    Mismatch,
    OutcomeUnknown,
    ResourceVersion,
    Store,
    StoredResource,
    StoreUnavailable,
    TooLarge,
)
from apiserver.store.seal import Sealer, Unsealable

Obj = dict[str, Any]
Verb = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class Current:
    """An object as last committed, in the served version."""

    rv: ResourceVersion
    json: bytes

    def parse(self) -> Obj:
        """A fresh copy that the caller may change."""
        obj: Obj = orjson.loads(self.json)
        return obj

    @classmethod
    def unsaved(cls, obj: Obj, *, rv: int = 0) -> Current:
        """What a dry run answers: the object as it would be, at the resourceVersion that it has."""
        head, tail = encode.halves(obj)
        if rv:
            return cls(ResourceVersion(rv), encode.joined(head, rv, tail))
        return cls(ResourceVersion(0), orjson.dumps(obj))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes, since when, and why, for the headers of the change."""

    user: User
    received: datetime
    cause: Cause | None = None
    traceparent: str = ""
    fence: Fence | None = None

    def headers(self, now: datetime) -> tuple[tuple[str, str], ...]:
        told = [
            ("Backbeat-Actor", quote(self.user.name, safe=":@/.-_ ")),
            ("Backbeat-Received", micro_time(self.received)),
            ("Backbeat-Time", micro_time(now)),
        ]
        if self.cause is not None:
            told.append(("Backbeat-Cause", str(self.cause.rv)))
            if self.cause.heard:
                told.append(("Backbeat-Heard", self.cause.heard))
        if self.traceparent:
            told.append(("traceparent", self.traceparent))
        return tuple(told)


class Changed(Exception):
    """The object is not at the resourceVersion that was read. Read again, or answer 409."""


class Records:
    """Reads are linearizable (they ask the store), but for `lookup`."""

    def __init__(self, store: Store, cache: Cache, sealer: Sealer, *, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._cache = cache
        self._sealer = sealer
        self.catch_up = catch_up
        """Waits until `each` and `lookup` show everything that was committed before now."""

    async def find(
        self, endpoint: Endpoint, namespace: str, name: str, *, even_unreadable: bool = False
    ) -> Current | None:
        """`even_unreadable`: of a sealed object that can't be opened, what can be read. Raises InternalError else."""
        try:
            stored = await self._store.get(endpoint.key(namespace, name))
        except StoreUnavailable as err:
            raise unavailable(err) from err
        if stored is None:
            return None
        raw = self._sealer.show(stored.json) if even_unreadable else self._opened(stored.json)
        if endpoint.converted:
            raw = orjson.dumps(endpoint.from_storage(orjson.loads(raw)))
        return Current(stored.rv, raw)

    def _opened(self, raw: bytes) -> bytes:
        try:
            return self._sealer.unseal(raw)
        except Unsealable as err:
            raise status.internal_error(err) from err

    async def get(self, endpoint: Endpoint, namespace: str, name: str, *, even_unreadable: bool = False) -> Current:
        """Raises NotFound, InternalError as `find`."""
        found = await self.find(endpoint, namespace, name, even_unreadable=even_unreadable)
        if found is None:
            raise status.not_found(endpoint.resource.plural, endpoint.resource.group, name)
        return found

    async def lookup(
        self, resource: StoredResource, namespace: str, name: str, *, live: bool = False
    ) -> Mapping[str, Any] | None:
        """An object for a decision about another one: from the cache, or from the store where the cache has none or the
        caller must know it as it is now."""
        cached = None if live else self._cache.get(resource, namespace, name)
        if cached is not None:
            found: Obj = orjson.loads(cached.json)
            return found
        try:
            stored = await self._store.get(Key(resource, namespace, name))
        except StoreUnavailable as err:
            raise unavailable(err) from err
        return orjson.loads(self._opened(stored.json)) if stored else None

    def each(self, resource: StoredResource, namespace: str = "") -> Iterable[Mapping[str, Any]]:
        """Every object of a resource that the cache holds, as stored. Raises ServiceUnavailable while it loads."""
        if not self._cache.ready:
            raise status.ServiceUnavailable("the cache is still loading", retry_after_seconds=1)
        for cached in self._cache.list(resource, namespace=namespace, match=None).items:
            yield orjson.loads(cached.json)

    async def commit(
        self, endpoint: Endpoint, obj: Obj, *, change: ChangeType, expected_rv: int, actor: Actor
    ) -> Current:
        """Write the object. Raises Changed, Conflict (a fence), RequestEntityTooLarge, ServiceUnavailable,
        ServerTimeout."""
        meta = obj["metadata"]
        plain_head, plain_tail = encode.halves(obj)
        _check_size(endpoint, meta["name"], len(plain_head) + len(plain_tail))
        head, tail = plain_head, plain_tail
        sealed = self._sealer.seals(endpoint.stored)
        if endpoint.converted or sealed:
            stored = endpoint.to_storage(obj)
            head, tail = encode.halves(self._sealer.seal(stored) if sealed else stored)
        commit = Commit(
            key=endpoint.key(meta.get("namespace", ""), meta["name"]),
            type=change,
            expected_rv=ResourceVersion(expected_rv),
            head=head,
            tail=tail,
            subject=endpoint.subject(obj),
            headers=actor.headers(datetime.now(UTC)),
        )
        if actor.fence is not None:
            await self._check_fence(actor.fence)
        rv = await self._send(endpoint, commit)
        return Current(rv, encode.joined(plain_head, rv, plain_tail))

    async def _check_fence(self, fence: Fence) -> None:
        try:
            stored = await self._store.get(fence.key)
        except StoreUnavailable as err:
            raise unavailable(err) from err
        fence.check(stored.json if stored is not None else None)

    async def _send(self, endpoint: Endpoint, commit: Commit) -> ResourceVersion:
        try:
            return await self._store.commit(commit)
        except Mismatch as err:
            raise Changed from err
        except TooLarge as err:
            raise _too_large(endpoint, commit.key.name, str(err)) from err
        except StoreUnavailable as err:
            raise unavailable(err) from err
        except OutcomeUnknown as err:
            raise status.ServerTimeout(
                f"the write was sent and its outcome is not known: {err}",
                group=endpoint.resource.group,
                kind=endpoint.resource.plural,
                name=commit.key.name,
            ) from err  # without a delay to retry after: clients would send the write again by themselves


def _check_size(endpoint: Endpoint, name: str, size: int) -> None:
    if size > MAX_OBJECT_BYTES:
        raise _too_large(endpoint, name, f"{size} bytes, the limit is {MAX_OBJECT_BYTES}")


def _too_large(endpoint: Endpoint, name: str, why: str) -> status.RequestEntityTooLarge:
    return status.RequestEntityTooLarge(
        f'{status.qualified(endpoint.resource.plural, endpoint.resource.group)} "{name}" is too large: {why}',
        group=endpoint.resource.group,
        kind=endpoint.resource.plural,
        name=name,
    )


def unavailable(err: StoreUnavailable) -> status.ServiceUnavailable:
    return status.ServiceUnavailable(f"the store is not available: {err}", retry_after_seconds=1)
