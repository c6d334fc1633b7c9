"""One connection to Redis, as the rest of the store sees it: commands go out together, answers come back in order.

A round trip has three ends, told apart because the caller does something else at each: answers (some of which may be
refusals), `WireDown` (nothing was sent) and `WireLost` (it was sent, and nobody knows how far it got). Nothing is ever
sent twice by itself. `apiserver.store.redis` implements the protocol; no other module imports the library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Argument = bytes | str | int
Command = Sequence[Argument]


class WireDown(Exception):
    """No connection, or Redis is not ready to serve it. Nothing was sent; retry later."""


class WireLost(Exception):
    """The connection ended, or no answer came in time, after something was sent."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Redis answered one command with an error. `code` is its first word: NOSCRIPT, READONLY, OOM, …"""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Session:
    """Who the server is and who we are to it: what it takes to end the connection from another one."""

    run_id: str
    client_id: int


class Wire(Protocol):
    """Not for concurrent use: one round trip at a time."""

    @property
    def opened(self) -> int:
        """How many sessions were opened so far."""
        ...

    @property
    def session(self) -> Session | None:
        """The newest session that was opened, also after it was lost. None where Redis would not tell."""
        ...

    async def connect(self) -> None:
        """Be connected, to a server that serves. Raises WireDown."""
        ...

    async def exchange(self, commands: Sequence[Command], *, timeout_seconds: float) -> list[Any]:
        """One round trip. Each answer is bytes, int, list, None or a Refusal. Raises WireDown or WireLost."""
        ...

    async def close(self) -> None: ...
