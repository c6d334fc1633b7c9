"""What clients know: each write and read with its times and its outcome, as they saw it.

Times are of one monotonic clock, so `a.ended < b.started` says that a was answered before b was sent.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import orjson

Kind = Literal["ADDED", "MODIFIED", "DELETED"]

ANY_VERSION = -1
"""As the version that a write is made against: whatever there is."""


class Outcome(enum.Enum):
    ACKNOWLEDGED = "it must be there, once"
    REFUSED = "it must not be there"
    UNKNOWN = "it may be there, once"


@dataclass(frozen=True, slots=True)
class Write:
    """`value` is unique among all writes. `base_rv`: the version that is to be replaced or deleted; 0 where there is to
    be none yet, ANY_VERSION for a patch."""

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

    @property
    def held(self) -> str:
        """What the object holds once this is done."""
        return self.value

    @property
    def status(self) -> int:
        """Of a refusal; 0 where nothing was answered."""
        first = self.why.partition(" ")[0]
        return int(first) if first.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Read:
    """A GET that was answered: `rv` 0 says that there was no object."""

    key: str
    started: float
    ended: float
    rv: int
    answer: bytes = b""

    @property
    def held(self) -> str:
        """The value that was found."""
        return str(orjson.loads(self.answer)["data"]["v"])


@dataclass(frozen=True, slots=True)
class Listing:
    """A LIST of all objects, perhaps in pages: the state at `rv`. Times are of the first page."""

    started: float
    ended: float
    rv: int
    objects: Mapping[str, int]
    """The resourceVersion of each, by key."""


@dataclass(slots=True)
class History:
    """Everything that all clients of one test saw."""

    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        return sum(write.outcome is outcome for write in self.writes)

    @property
    def acknowledged(self) -> int:
        return self.count(Outcome.ACKNOWLEDGED)

    def told(self) -> str:
        """For messages: how often each outcome, and the last reasons of those that were not acknowledged."""
        counts = ", ".join(f"{self.count(outcome)} {outcome.name.lower()}" for outcome in Outcome)
        return f"{counts}; {[write.why for write in self.writes if write.why][-5:]}"
