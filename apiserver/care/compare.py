"""The record and the stream side by side: does each object equal the last change of its subject?

Both go on while they are compared. What seems to differ is looked at again, first the one and then the other, until it
is the same or is known to stay different: so what is told differs for good, and a difference that comes up meanwhile
may be missed.

The cost follows the number of objects, and of subjects that the stream holds; memory does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from apiserver.cache.feed import NotAChange, Parts, parts_of
from apiserver.care.told import Line, Progress
from apiserver.store.base import Key, Store, Stored, StoredResource
from apiserver.store.upkeep import Upkeep
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.errors import StreamExpired
from broker.lookup import TooManySubjects, last_changes, subjects_in
from broker.replay import replay
from broker.stream import StreamState, state

AT_ONCE = 400
"""Objects that the stream is asked for at a time. A pod has two subjects, or a few more."""
TRIES = 4
PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Difference:
    """One object of which Redis and the stream say different things. `why` is for people."""

    resource: StoredResource
    key: str
    record: Stored | None
    stream: Change | None
    why: str

    @property
    def name(self) -> str:
        resource = f"{self.resource.resource}.{self.resource.group}" if self.resource.group else self.resource.resource
        return f"{resource}/{self.key.removeprefix('/')}"


@dataclass(slots=True)
class Outbox:
    """What was found of the outbox: entries that differ from the stream's messages, and the first number behind a hole
    in it."""

    compared: int = 0
    differ: list[int] = field(default_factory=list)
    hole_before: int = 0


Seen = Difference | Line


class Comparison:
    """Raises StoreUnavailable, BusError."""

    def __init__(self, store: Store, upkeep: Upkeep, connection: Connection) -> None:
        self._store = store
        self._upkeep = upkeep
        self._connection = connection
        self.objects = 0
        """How many were compared so far."""
        self.foreign: list[str] = []
        """Subjects of messages that no API server wrote."""

    async def differences(self) -> AsyncGenerator[Seen, None]:
        """Every object that differs, and lines that tell how far it is."""
        async for seen in self._of_the_record():
            yield seen
        async for seen in self._of_the_stream():
            yield seen

    async def _of_the_record(self) -> AsyncGenerator[Seen, None]:
        resources = await self._store.resources()
        sizes = [await self._upkeep.size(resource) for resource in resources]
        progress = Progress("objects", sum(sizes))
        for resource in resources:
            async for batch in self._store.scan(resource):
                for start in range(0, len(batch), AT_ONCE):
                    part = dict(batch[start : start + AT_ONCE])
                    for found in await self._compared(resource, part):
                        yield found
                    self.objects += len(part)
                    if line := progress.add(len(part)):
                        yield line

    async def _compared(self, resource: StoredResource, part: dict[str, Stored]) -> list[Difference]:
        stream = await state(self._connection)
        newest = await self._newest(resource, list(part), stream.last)
        doubtful = [key for key, stored in part.items() if _differ(stored, newest.get(key), stream)]
        settled = [await self._settled(resource, key) for key in doubtful]
        return [found for found in settled if found is not None]

    async def _newest(self, resource: StoredResource, keys: Sequence[str], up_to: int) -> dict[str, Change]:
        """The last change of each object that the stream holds one of."""
        filters = [_filter(resource, key) for key in keys]
        try:
            found = await last_changes(self._connection, filters, up_to=up_to)
        except TooManySubjects:
            if len(keys) == 1:
                raise
            half = len(keys) // 2
            first = await self._newest(resource, keys[:half], up_to)
            return {**first, **await self._newest(resource, keys[half:], up_to)}
        newest: dict[str, Change] = {}
        for change in sorted(found, key=lambda one: one.rv):
            place = subjects.parse(change.subject)
            newest[f"{place.namespace}/{place.name}"] = change
        return newest

    async def _of_the_stream(self) -> AsyncGenerator[Seen, None]:
        """What the stream holds and Redis does not: its last change must be its deletion."""
        progress = Progress("subjects")
        async for page in subjects_in(self._connection):
            progress.total += len(page)
            for resource, keys in self._sorted(page).items():
                for start in range(0, len(keys), AT_ONCE):
                    part = keys[start : start + AT_ONCE]
                    for found in await self._lacking(resource, part):
                        yield found
                    if line := progress.add(len(part)):
                        yield line

    def _sorted(self, page: Sequence[str]) -> dict[StoredResource, list[str]]:
        found: dict[StoredResource, dict[str, None]] = {}
        for subject in page:
            try:
                place = subjects.parse(subject)
            except subjects.BadSubject:
                self.foreign.append(subject)
                continue
            resource = StoredResource(place.group, place.resource)
            found.setdefault(resource, {})[f"{place.namespace}/{place.name}"] = None
        return {resource: list(keys) for resource, keys in found.items()}

    async def _lacking(self, resource: StoredResource, keys: Sequence[str]) -> list[Difference]:
        present = await self._upkeep.values(resource, keys)
        absent = [key for key, stored in zip(keys, present, strict=True) if stored is None]
        if not absent:
            return []
        newest = await self._newest(resource, absent, (await state(self._connection)).last)
        doubtful = [key for key, change in newest.items() if _type(change) != "DELETED"]
        settled = [await self._settled(resource, key) for key in doubtful]
        return [found for found in settled if found is not None]

    async def _settled(self, resource: StoredResource, key: str) -> Difference | None:
        """Looked at until both are the same; None then."""
        namespace, _, name = key.partition("/")
        for _ in range(TRIES):
            stored = await self._store.get(Key(resource, namespace, name))
            stream = await state(self._connection)
            change = (await self._newest(resource, [key], stream.last)).get(key)
            why = _differ(stored, change, stream)
            if not why:
                return None
            await asyncio.sleep(PAUSE_SECONDS)
        return Difference(resource, key, stored, change, why)

    async def outbox(self, found: Outbox) -> AsyncGenerator[Line, None]:
        """Whether what waits, or is kept, is what the stream holds under those numbers."""
        numbers = await self._upkeep.numbers()
        progress = Progress("outbox", numbers.outbox_entries)
        after = max(numbers.outbox_first - 1, 0)
        expected = numbers.outbox_first
        while entries := await self._store.outbox.read(after, limit=AT_ONCE):
            published = await self._published(after, entries[-1].rv)
            for entry in entries:
                if entry.rv != expected:
                    found.hole_before = entry.rv
                expected = entry.rv + 1
                message = published.get(entry.rv)
                if message is None:
                    continue
                found.compared += 1
                if (message.subject, message.body) != (entry.subject, entry.body):
                    found.differ.append(entry.rv)
            after = entries[-1].rv
            if line := progress.add(len(entries)):
                yield line

    async def _published(self, after: int, up_to: int) -> dict[int, Change]:
        """What the stream holds of a stretch."""
        stream = await state(self._connection)
        after, up_to = max(after, stream.first - 1), min(up_to, stream.last)
        while after < up_to:
            try:
                return {change.rv: change async for change in replay(self._connection, after=after, up_to=up_to)}
            except StreamExpired as err:  # retention went on meanwhile
                after = err.first - 1
        return {}


def _filter(resource: StoredResource, key: str) -> str:
    namespace, _, name = key.partition("/")
    return subjects.filter_for(group=resource.group, resource=resource.resource, namespace=namespace, name=name)


def _type(change: Change) -> str:
    """Empty for a foreign message."""
    parts = _parts(change)
    return parts.type if parts is not None else ""


def _parts(change: Change) -> Parts | None:
    try:
        return parts_of(change)
    except NotAChange:
        return None


def _differ(stored: Stored | None, change: Change | None, stream: StreamState) -> str:
    """Why these two cannot both be true; empty where they can. `stored` was read first."""
    if stored is None:
        if change is None or _type(change) == "DELETED":
            return ""
        return f"Redis does not have it, the stream's last change of it is {_type(change)} {change.rv}"
    if stored.rv > stream.last:
        return ""  # not published yet: the outbox has it
    if change is None:
        if stored.rv < stream.first:
            return ""  # changed so long ago that the stream does not hold it any more
        return f"in Redis it is at {stored.rv}, and the stream holds no change of it"
    parts = _parts(change)
    if stored.rv != change.rv or parts is None or parts.type == "DELETED":
        what = "deleted" if _type(change) == "DELETED" else "it is"
        return f"in Redis it is at {stored.rv}, in the stream {what} at {change.rv}"
    return "" if parts.object == stored.json else f"both are at {stored.rv}, with different content"
