"""What watchers received, kept so that it costs next to nothing while it arrives and can be counted exactly afterwards.

Watchers of the same thing are sent the same bytes. So one copy is kept, the longest that any of them has seen, and each
other's bytes are only compared with it (`memcmp`); of each watcher there is a log of how far it was and when. A watcher
that is sent anything else gets a copy of its own from there on, and is counted by that.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.clients.marks import MARK


class Bytes:
    """The common copy."""

    def __init__(self) -> None:
        self.data = bytearray()

    def take(self, position: int, piece: memoryview | bytes) -> bool:
        """Whether the piece is what stands at the position; beyond the end it is added."""
        known = len(self.data) - position
        if known < len(piece):
            if known and not self.data.startswith(piece[:known], position):
                return False
            self.data += piece[known:]
            return True
        return self.data.startswith(piece, position)


class Reception:
    """One watcher's. Call `take` for each piece, and `note` when what was there is taken."""

    def __init__(self, common: Bytes) -> None:
        self.begin(common)

    def begin(self, common: Bytes) -> None:
        """Count from here on."""
        self._bytes = common
        self.position = 0
        self._positions = array("q")
        self._times = array("q")

    def take(self, piece: memoryview) -> None:
        if not self._bytes.take(self.position, piece):
            own = Bytes()
            own.data += self._bytes.data[: self.position]
            own.take(self.position, piece)
            self._bytes = own
        self.position += len(piece)

    def note(self) -> None:
        self._positions.append(self.position)
        self._times.append(time.monotonic_ns())

    def counted(self, contents: dict[int, Contents]) -> Count:
        """`contents` remembers what was found in each copy."""
        found = contents.get(id(self._bytes))
        if found is None:
            found = contents[id(self._bytes)] = Contents.of(bytes(self._bytes.data))
        whole = int(np.searchsorted(found.ends, self.position, side="right"))
        reads = np.searchsorted(np.frombuffer(self._positions, np.int64), found.ends[:whole], side="left")
        at = np.frombuffer(self._times, np.int64)[reads] if whole else np.zeros(0, np.int64)
        return Count(
            delivered=whole,
            duplicates=whole - len(np.unique(found.numbers[:whole])),
            last_ns=int(at[-1]) if whole else 0,
            latencies_ns=at - found.sent[:whole],
        )


@dataclass(frozen=True, slots=True)
class Contents:
    """The messages of a copy: where each is complete, its number, and when it was sent."""

    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sent: NDArray[np.int64]

    @classmethod
    def of(cls, data: bytes) -> Contents:
        found = [(data.find(b"\n", m.end()) + 1, int(m[1]), int(m[2])) for m in MARK.finditer(data)]
        whole = np.array([one for one in found if one[0]], np.int64).reshape(-1, 3)
        return cls(whole[:, 0], whole[:, 1], whole[:, 2])


@dataclass(frozen=True, slots=True)
class Count:
    delivered: int
    duplicates: int
    last_ns: int
    latencies_ns: NDArray[np.int64]


class Audience:
    """All watchers of a process that hear the same."""

    def __init__(self) -> None:
        self._common = Bytes()
        self._receptions: list[Reception] = []

    def join(self) -> Reception:
        made = Reception(self._common)
        self._receptions.append(made)
        return made

    def heard(self) -> int:
        """How many messages were delivered, for who looks on: exact once all watchers are equally far."""
        size = len(self._common.data)
        return (
            self._common.data.count(b'"mark":"') * sum(one.position for one in self._receptions) // size if size else 0
        )

    def take(self) -> list[Count]:
        """What each has heard. From here on it counts anew."""
        contents: dict[int, Contents] = {}
        counts = [one.counted(contents) for one in self._receptions]
        self._common = Bytes()
        for one in self._receptions:
            one.begin(self._common)
        return counts


def report(counts: Sequence[Count], *, closed: int, latencies_file: str) -> dict[str, int]:
    """What is told of all watchers of a process; their latencies go into a file, in nanoseconds."""
    np.save(latencies_file, np.concatenate([one.latencies_ns for one in counts]))
    return {
        "delivered": sum(one.delivered for one in counts),
        "duplicates": sum(one.duplicates for one in counts),
        "last_ns": max(one.last_ns for one in counts),
        "closed": closed,
    }
