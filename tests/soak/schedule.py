"""Which faults come when. Pure: the same seed, the same schedule."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RELAY = "relay"
"""Stands for whichever API server publishes when the fault comes."""


class Kind(enum.Enum):
    KILL = "kill -9"
    RESTART = "restart"
    STOP = "stop"
    """SIGSTOP, and SIGCONT later."""
    LOSE_TAIL = "lose the tail of"
    """Its disk is as it was some seconds ago."""
    LOSE_DISK = "lose the disk of"
    DROP_LEASE = "drop the lease of"


@dataclass(frozen=True, slots=True)
class Fault:
    """`at`: seconds since the round began. `seconds`: how long the victim is away, or what the disk forgets."""

    at: float
    kind: Kind
    victim: str
    seconds: float

    @property
    def ends(self) -> float:
        return self.at + self.seconds

    def __str__(self) -> str:
        return f"{self.kind.value} {self.victim}, {self.seconds:.1f} s"


_USUAL = {Kind.KILL: 5.0, Kind.RESTART: 2.0, Kind.STOP: 4.0}
_OF_NATS = {**_USUAL, Kind.LOSE_TAIL: 2.0, Kind.LOSE_DISK: 1.5}
_OF_RELAY = {Kind.KILL: 3.0, Kind.STOP: 3.0, Kind.DROP_LEASE: 3.0}

LONGEST_SECONDS = 8.0
BETWEEN_SECONDS = 1.5
"""On average, from one fault to the next. They overlap."""


def schedule(choose: random.Random, *, seconds: float, victims: Mapping[str, float]) -> Sequence[Fault]:
    """`victims`: how often each is chosen. No victim has two faults at once, and all are over when the round is."""
    faults: list[Fault] = []
    busy_until: dict[str, float] = {}
    at = 0.3
    while (at := at + choose.expovariate(1 / BETWEEN_SECONDS)) < seconds:
        fault = _fault(choose, at, victims)
        if fault.ends < seconds and busy_until.get(fault.victim, 0.0) < at:
            busy_until[fault.victim] = fault.ends
            faults.append(fault)
    return faults


def _fault(choose: random.Random, at: float, victims: Mapping[str, float]) -> Fault:
    victim = choose.choices(list(victims), list(victims.values()))[0]
    kinds = {"nats": _OF_NATS, RELAY: _OF_RELAY}.get(victim, _USUAL)
    kind = choose.choices(list(kinds), list(kinds.values()))[0]
    away = min(choose.expovariate(1 / 2.0), LONGEST_SECONDS)
    return Fault(round(at, 2), kind, victim, 0.0 if kind in (Kind.RESTART, Kind.DROP_LEASE) else round(away, 2))
