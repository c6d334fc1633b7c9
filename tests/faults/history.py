"""What clients know: each write and read with its times and its outcome, as they saw it.

Times are of one monotonic clock, so `a.ended < b.started` says that a was answered before b was sent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["ADDED", "MODIFIED", "DELETED"]


class Outcome(enum.Enum):
    ACKNOWLEDGED = "it must be there, once"
    REFUSED = "it must not be there"
    UNKNOWN = "it may be there, once"


@dataclass(frozen=True, slots=True)
class Write:
    """`value` is unique among all writes. For deletions: of the version that was to be deleted, at `base_rv`."""

    key: str
    kind: Kind
    value: str
    base_rv: int
    started: float
    ended: float
    outcome: Outcome
    rv: int = 0
    """As acknowledged; 0 where the answer does not tell (deletions, and all that was not acknowledged)."""
    answer: bytes = b""
    """The object as the server answered it."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A GET that was answered: `rv` 0 says that there was no object."""

    key: str
    started: float
    ended: float
    rv: int
    answer: bytes = b""


@dataclass(slots=True)
class History:
    """Everything that all clients of one test saw."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(write.outcome is outcome for write in self.writes)

    @property
    def acknowledged(self) -> int:
        return self.count(Outcome.ACKNOWLEDGED)

    def told(self) -> str:
        """For messages: how often each outcome, and the last reasons of those that were not acknowledged."""
        counts = ", ".join(f"{self.count(outcome)} {outcome.name.lower()}" for outcome in Outcome)
        return f"{counts}; {[write.why for write in self.writes if write.why][-5:]}"
