"""How long to wait before a process that ended is started again. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """0.1 s, then twice as long after each short life, up to 10 s; a life of 20 s makes it forget."""

    first_seconds: float = 0.1
    longest_seconds: float = 10.0
    well_seconds: float = 20.0

    def failures_after(self, failures: int, *, ran_seconds: float) -> int:
        """How many short lives there were in a row, this one included."""
        return 1 if ran_seconds >= self.well_seconds else failures + 1

    def delay_seconds(self, failures: int) -> float:
        doublings = min(max(failures - 1, 0), 30)
        return min(self.first_seconds * 2.0**doublings, self.longest_seconds)
