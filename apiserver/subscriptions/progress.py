"""How far a subscriber is, from its consumer, the stream and the last checkpoint; and what its consumer needs. Pure.

JetStream moves a consumer's acknowledgement only to changes that it delivered. A subscriber of a rare resource would so
look further and further behind, and past retention, though nothing waits for it. Therefore: when nothing is pending and
nothing unacknowledged, everything in the stream is done, and the cursor counts as being at its end. A checkpoint keeps
that knowledge, and the consumer is moved to its checkpoint (`care_for`), so that the bus knows it too.

And when retention removes a change that was delivered and not acknowledged, JetStream takes it for acknowledged: then a
subscriber that died with changes in hand would never hear that they are gone. Therefore deliveries that nobody seems to
hold any more are taken back: what is not delivered cannot be acknowledged, and the cursor stays where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from apiserver.subscriptions.spec import Wanted
from broker.consumer import ConsumerState
from broker.stream import StreamState

Obj = dict[str, Any]

HELD_AT_MOST = timedelta(hours=1)
"""So long may deliveries be held without a sign of life before they are taken back."""
HELD_AT_THE_EDGE = timedelta(minutes=1)
"""The same where they are among the oldest changes that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    acknowledged: int
    delivered: int
    lag: int
    connected: bool
    last_seen: datetime | None
    expired: bool


def progress_of(
    wanted: Wanted, consumer: ConsumerState, stream: StreamState, now: datetime, *, sighted: datetime | None = None
) -> Progress:
    """`sighted` is when somebody was last seen to wait for changes: the consumer forgets that."""
    cursor = max(consumer.acknowledged, min(wanted.checkpoint, stream.last))
    awaits_snapshot = wanted.snapshot_first and consumer.untouched
    expired = cursor + 1 < stream.first and not awaits_snapshot
    if consumer.lag == 0 and not expired and not awaits_snapshot:
        cursor = max(cursor, stream.last)
    return Progress(
        acknowledged=cursor,
        delivered=max(consumer.delivered, cursor),
        lag=consumer.lag,
        connected=consumer.waiting,
        last_seen=now if consumer.waiting else max(filter(None, (consumer.last_seen, sighted)), default=None),
        expired=expired,
    )


def edge_of(stream: StreamState) -> int:
    """Where the oldest quarter of what is kept ends: what is before it may be gone soon."""
    return stream.first + (stream.last - stream.first) // 4


class Care(Enum):
    """What a consumer needs."""

    NOTHING = auto()
    MOVE = auto()
    """To its checkpoint."""
    RELEASE = auto()
    """Its deliveries are to be taken back."""


def care_for(wanted: Wanted, consumer: ConsumerState, stream: StreamState, now: datetime) -> Care:
    held = consumer.unacknowledged > 0
    if consumer.acknowledged < wanted.checkpoint <= stream.last and not held:
        return Care.MOVE
    if not held or consumer.waiting:
        return Care.NOTHING
    quiet = now - consumer.last_seen if consumer.last_seen is not None else HELD_AT_MOST
    patience = HELD_AT_THE_EDGE if consumer.acknowledged < edge_of(stream) else HELD_AT_MOST
    return Care.RELEASE if quiet >= patience else Care.NOTHING


def status_of(obj: Mapping[str, Any], progress: Progress | None, now: datetime, *, why: str = "") -> Obj:
    """The new status. Without progress the consumer is not there, `why` tells the reason."""
    old: Obj = dict(obj.get("status") or {})
    conditions = old.get("conditions") or ()
    generation = obj["metadata"].get("generation", 0)
    if progress is None:
        ready = _condition(conditions, "Ready", "False", "ConsumerMissing", why, generation, now)
        return {**old, "connected": False, "conditions": _with(conditions, ready)}
    ready = _condition(conditions, "Ready", "True", "ConsumerReady", "The consumer is there.", generation, now)
    expired = _expired(conditions, progress, generation, now)
    status = {
        **old,
        "acknowledged": progress.acknowledged,
        "delivered": progress.delivered,
        "lag": progress.lag,
        "connected": progress.connected,
        "conditions": _with(conditions, ready, expired),
    }
    if progress.last_seen is not None:
        status["lastSeen"] = max(_stamp(progress.last_seen), old.get("lastSeen", ""))
    return status


def _expired(conditions: Sequence[Obj], progress: Progress, generation: int, now: datetime) -> Obj:
    if progress.expired:
        told = "Changes behind the cursor are no longer kept: take a snapshot and begin anew."
        return _condition(conditions, "Expired", "True", "PassedByRetention", told, generation, now)
    return _condition(
        conditions, "Expired", "False", "WithinRetention", "Every change behind the cursor is kept.", generation, now
    )


def _condition(
    conditions: Sequence[Obj], kind: str, value: str, reason: str, message: str, generation: int, now: datetime
) -> Obj:
    """lastTransitionTime moves only when the value does."""
    before = next((c for c in conditions if c["type"] == kind), None)
    since = before["lastTransitionTime"] if before is not None and before["status"] == value else _stamp(now)
    return {
        "type": kind,
        "status": value,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }


def _with(conditions: Sequence[Obj], *new: Obj) -> list[Obj]:
    kept = {c["type"]: c for c in (*conditions, *new)}
    return list(kept.values())


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_worth_a_write(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Conditions are written at once, also that they hold for a new generation, which `kubectl wait` looks at; a mere
    advance waits for the next checkpoint."""
    return _told(old) != _told(new)


def is_told(obj: Mapping[str, Any]) -> bool:
    """The conditions are those of this generation."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    generation = obj["metadata"].get("generation", 0)
    return bool(conditions) and all(c.get("observedGeneration") == generation for c in conditions)


def _told(status: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    keys = ("type", "status", "reason", "observedGeneration")
    return [tuple(condition.get(key) for key in keys) for condition in status.get("conditions") or ()]
