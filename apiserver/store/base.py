"""The record: what the API server needs of a store, and what a store promises.

    get, get_many      one object or several, as last committed (linearizable)
    list               every object of one resource, and the resourceVersion they are all at or before
    commit             check, number, write and append to the outbox, in one step or not at all
    outbox             the changes not yet on the bus, for the relay (`broker.outbox.Outbox`)

Promised: a Commit that returned is as durable as the store is configured to be (`appendfsync always`: on disk). The
numbers of all commits of one control plane are 1, 2, 3, … without gaps, and a Commit's change is in the outbox under
its number. A Commit that raised anything but `OutcomeUnknown` left nothing behind.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, NewType, Protocol

from broker.outbox import Outbox

ResourceVersion = NewType("ResourceVersion", int)
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class StoredResource:
    """Where the objects of one kind are kept, whatever versions they are served in."""

    group: str
    resource: str


@dataclass(frozen=True, slots=True)
class Key:
    """One object's place. `namespace` is empty for cluster-scoped objects."""

    resource: StoredResource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as committed: the JSON bytes carry the same resourceVersion as `rv`."""

    rv: ResourceVersion
    json: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One write. The object's JSON comes in two halves, and the store puts the new resourceVersion between them.

    `expected_rv` is the resourceVersion that the writer read; 0 says that the object must not exist.
    For DELETED the two halves are the last state, which the published change carries; the object is removed.
    """

    key: Key
    type: ChangeType
    expected_rv: ResourceVersion
    head: bytes
    tail: bytes
    subject: str
    headers: tuple[tuple[str, str], ...] = ()
    """What the published message carries beside the body: actor, time, trace context."""


class StoreError(Exception):
    """Base of what a store raises."""


class Mismatch(StoreError):
    """The object is not at `expected_rv`; `actual_rv` is 0 where there is none. Nothing was written."""

    def __init__(self, actual_rv: ResourceVersion) -> None:
        super().__init__(f"the object is at {actual_rv}")
        self.actual_rv = actual_rv


class StoreUnavailable(StoreError):
    """The store could not be asked, or refused before doing anything. Nothing was written; retry later."""


class OutboxFull(StoreUnavailable):
    """The bus has been away for so long that the outbox reached its bound. Nothing was written."""

    def __init__(self) -> None:
        super().__init__("too many changes wait for the bus: is NATS away?")


class RecordBehindStream(StoreUnavailable):
    """The stream is ahead of the record (a restored backup?): writing would use a number twice. Nothing was written,
    and nothing will be until the record is put right."""

    def __init__(self, stream: int, record: int) -> None:
        super().__init__(
            f"the record in Redis is at {record} and the stream is at {stream}, which is beyond it: "
            "was a backup restored? Writes are refused; `backbeat repair` says what can be done"
        )
        self.stream = stream
        self.record = record


class RecordClosed(StoreUnavailable):
    """Somebody is putting the record right, or another one in its place. Nothing was written; retry when it is done."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no write is taken now: {why}")


class TooLarge(StoreError):
    """The bus takes no change of this size: published in vain, it would hold up all that come after it. Nothing was
    written."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes with its headers, and NATS' max_payload is {limit}")
        self.size = size
        self.limit = limit


class OutcomeUnknown(StoreError):
    """The connection was lost after the write was sent, and reading back did not tell. It may be there."""


class Store(Protocol):
    """See the module's docstring."""

    @property
    def outbox(self) -> Outbox: ...

    async def get(self, key: Key) -> Stored | None:
        """The object as last committed. Raises StoreUnavailable."""
        ...

    async def list(self, resource: StoredResource) -> tuple[ResourceVersion, Sequence[tuple[str, Stored]]]:
        """Every object of the resource as (`<namespace>/<name>`, object), and the rv that the snapshot is at."""
        ...

    def scan(self, resource: StoredResource) -> AsyncIterator[Sequence[tuple[str, Stored]]]:
        """Every object in batches, without blocking writers. Not a snapshot: each object is as of some moment
        during the scan, and what changed meanwhile may be seen or not."""
        ...

    async def resources(self) -> Sequence[StoredResource]:
        """The resources that have, or had, objects."""
        ...

    async def current_rv(self) -> ResourceVersion:
        """The last number that was given out. Raises StoreUnavailable."""
        ...

    async def check(self) -> None:
        """Return when commits would be taken, as far as that is known without one. Raises what `commit` would."""
        ...

    async def commit(self, commit: Commit) -> ResourceVersion:
        """Write, or raise Mismatch, StoreUnavailable, TooLarge, OutcomeUnknown. What arrives together is pipelined."""
        ...

    async def close(self) -> None: ...
