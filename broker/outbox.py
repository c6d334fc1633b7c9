"""What the relay needs of the place that commits append to.

The outbox holds the changes that were committed and may not be on the bus yet, in order of their resourceVersions,
which are consecutive. The API server's store implements this; the relay knows nothing else of the store.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One committed change: exactly what will be published."""

    rv: int
    subject: str
    body: bytes
    headers: dict[str, str]


class OutboxUnavailable(Exception):
    """The outbox could not be read. Retry with back-off; nothing is lost."""


class Outbox(Protocol):
    """Read, wait, trim, and a lease that lets one relay work at a time. All raise OutboxUnavailable."""

    async def last_rv(self) -> int:
        """The last number that was given out (0 in a new control plane)."""
        ...

    async def history(self) -> str:
        """Which history the numbers are of: another one since a backup was restored. Empty: the first one."""
        ...

    async def first_rv(self) -> int:
        """The oldest entry still held; 0 when the outbox is empty."""
        ...

    async def read(self, after: int, *, limit: int) -> Sequence[OutboxEntry]:
        """Up to `limit` entries with rv > `after`, in order; fewer where they are so large that together they would
        burden the memory; empty when there is none yet."""
        ...

    async def wait(self, after: int, *, timeout_seconds: float) -> Sequence[OutboxEntry]:
        """As `read`, but waits up to `timeout_seconds` for an entry with rv > `after`, and hands out a few."""
        ...

    async def trim(self, up_to: int) -> None:
        """Forget entries with rv <= `up_to`."""
        ...

    async def acquire_lease(self, holder: str, *, ttl_seconds: float) -> bool:
        """Take or renew the relay's lease. True while `holder` has it."""
        ...

    async def release_lease(self, holder: str) -> None:
        """Give the lease back so that another relay may start at once."""
        ...

    async def report_stream(self, last_sequence: int) -> None:
        """Tell the store how far the stream is. When that is beyond `last_rv`, the store refuses commits."""
        ...
