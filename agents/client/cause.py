"""Why this process acts: the change that made it, told to the API server with each command.

Whoever acts on a change says so with `because`; commands that are sent within carry the header, also from tasks that
are begun within. It is for people who ask later what led to what: nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

HEADER = "Backbeat-Cause"


@dataclass(frozen=True, slots=True)
class Cause:
    """The resourceVersion of a change, and when this process heard of it."""

    rv: int
    heard: datetime

    @classmethod
    def now(cls, rv: int) -> Cause:
        return cls(rv, datetime.now(UTC))

    def __str__(self) -> str:
        """As the header says it."""
        return f"{self.rv};heard={self.heard.isoformat(timespec='microseconds').replace('+00:00', 'Z')}"


_current: ContextVar[Cause | None] = ContextVar("cause", default=None)


def current() -> Cause | None:
    return _current.get()


@contextmanager
def because(cause: Cause | None) -> Iterator[None]:
    """None: for no reason that can be told."""
    token = _current.set(cause)
    try:
        yield
    finally:
        _current.reset(token)
