"""What a measurement came to, for tables, JSON and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.costs import CLIENT, Cost

CLIENTS = "client"
"""What the names of client processes begin with."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of many times, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, ascending_ms: NDArray[np.float64]) -> Spread:
        if not len(ascending_ms):
            return cls(0.0, 0.0, 0.0)
        at = [float(ascending_ms[int(part * (len(ascending_ms) - 1))]) for part in (0.5, 0.99, 1.0)]
        return cls(*at)


@dataclass(frozen=True, slots=True)
class Split:
    """The CPU seconds of servers and clients over the same time, and what the servers hold in memory at its end."""

    servers: float
    clients: float
    server_bytes: int

    @classmethod
    def of(cls, costs: Sequence[Cost]) -> Split:
        ours = [cost for cost in costs if not is_client(cost.name)]
        theirs = [cost for cost in costs if is_client(cost.name)]
        return cls(
            sum(cost.cpu_seconds for cost in ours),
            sum(cost.cpu_seconds for cost in theirs),
            sum(cost.resident_bytes for cost in ours),
        )

    @property
    def client_share(self) -> float:
        """Of all CPU seconds."""
        return self.clients / ((self.clients + self.servers) or 1)


def is_client(name: str) -> bool:
    return name == CLIENT or name.startswith(CLIENTS)


def clients(pids: Sequence[int], *, what: str) -> Mapping[str, int]:
    """Names for client processes."""
    return {f"{CLIENTS} {what} {number}": pid for number, pid in enumerate(pids, 1)}
