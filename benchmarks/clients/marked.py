"""Marks that one watcher heard, one by one: for streams in which each watcher's bytes differ."""

from __future__ import annotations

from array import array

import numpy as np

from benchmarks.clients.received import Count


class Marked:
    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._numbers, self._sent, self._at = array("q"), array("q"), array("q")
        self._different: set[bytes] = set()

    def __len__(self) -> int:
        """How many different ones: who waits for all must not take a repeat for the last."""
        return len(self._different)

    def note(self, number: bytes, sent: bytes, now: int) -> None:
        self._different.add(number)
        self._numbers.append(int(number))
        self._sent.append(int(sent))
        self._at.append(now)

    def take(self) -> Count:
        """What was heard since the last call."""
        numbers, sent, at = (np.frombuffer(one, np.int64) for one in (self._numbers, self._sent, self._at))
        self._begin()
        return Count(
            delivered=len(numbers),
            duplicates=len(numbers) - len(np.unique(numbers)),
            last_ns=int(at[-1]) if len(at) else 0,
            latencies_ns=at - sent,
        )
