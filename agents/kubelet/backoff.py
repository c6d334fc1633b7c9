"""How long a container that keeps ending waits before it runs again: 10 s, doubled each time, at most 5 minutes.

Counted from its end. Who ran for 10 minutes since the last wait was set begins anew. The first restart is immediate.
Pure; lost with the kubelet, as upstream's is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

INITIAL = timedelta(seconds=10)
LONGEST = timedelta(minutes=5)
FORGOTTEN_AFTER = 2 * LONGEST


@dataclass(frozen=True, slots=True)
class Backoff:
    """The wait that the next end will bring."""

    delay: timedelta
    set_at: datetime

    def is_forgotten(self, ended_at: datetime) -> bool:
        return ended_at - self.set_at > FORGOTTEN_AFTER


def waits_until(known: Backoff | None, ended_at: datetime) -> datetime | None:
    """When a container that ended then may run again; None: now."""
    if known is None or known.is_forgotten(ended_at):
        return None
    return ended_at + known.delay


def after_restart(known: Backoff | None, ended_at: datetime, now: datetime) -> Backoff:
    if known is None or known.is_forgotten(ended_at):
        return Backoff(INITIAL, now)
    return Backoff(min(2 * known.delay, LONGEST), now)


def shown(delay: timedelta) -> str:
    """As Go prints a duration: `10s`, `1m20s`, `5m0s`."""
    minutes, seconds = divmod(int(delay.total_seconds()), 60)
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
