"""What processes cost between two moments: CPU seconds, and the memory they hold at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

CLIENT = "this client"


@dataclass(frozen=True, slots=True)
class Cost:
    name: str
    cpu_seconds: float
    resident_bytes: int


class Meter:
    """Begins to count when it is made. A process that is another one at the end is counted from its own start."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._began = {name: _Reading.of(pid) for name, pid in {**processes, CLIENT: os.getpid()}.items()}

    def read(self, processes: Mapping[str, int]) -> list[Cost]:
        return [self._cost(name, _Reading.of(pid)) for name, pid in {**processes, CLIENT: os.getpid()}.items()]

    def _cost(self, name: str, now: _Reading) -> Cost:
        began = self._began.get(name)
        before = began.cpu_seconds if began is not None and began.pid == now.pid else 0.0
        return Cost(name, now.cpu_seconds - before, now.resident_bytes)


@dataclass(frozen=True, slots=True)
class _Reading:
    pid: int
    cpu_seconds: float
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> _Reading:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return cls(pid, times.user + times.system, process.memory_info().rss)
