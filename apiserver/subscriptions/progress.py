"""How far a subscriber is, from its consumer, the stream and the last checkpoint. Pure.

JetStream moves a consumer's acknowledgement only to changes that it delivered. A subscriber of a rare resource would so
look further and further behind, and past retention, though nothing waits for it. Therefore: when nothing is pending and
nothing unacknowledged, everything in the stream is done, and the cursor counts as being at its end. A checkpoint keeps
that knowledge; a cursor is expired when retention has passed both the acknowledgement and the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from apiserver.subscriptions.spec import Wanted
from broker.consumer import ConsumerState
from broker.stream import StreamState

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    acknowledged: int
    delivered: int
    lag: int
    connected: bool
    last_seen: datetime | None
    expired: bool


def progress_of(wanted: Wanted, consumer: ConsumerState, stream: StreamState, now: datetime) -> Progress:
    cursor = max(consumer.acknowledged, min(wanted.checkpoint, stream.last))
    expired = cursor + 1 < stream.first
    if not expired and consumer.lag == 0:
        cursor = max(cursor, stream.last)
    return Progress(
        acknowledged=cursor,
        delivered=max(consumer.delivered, cursor if consumer.lag == 0 else 0),
        lag=consumer.lag,
        connected=consumer.waiting,
        last_seen=now if consumer.waiting else consumer.last_seen,
        expired=expired,
    )


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
        status["lastSeen"] = _stamp(progress.last_seen)
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
    """Conditions are written at once; a mere advance waits for the next checkpoint."""
    shape = [(c["type"], c["status"], c["reason"]) for c in new.get("conditions") or ()]
    return shape != [(c["type"], c["status"], c["reason"]) for c in old.get("conditions") or ()]
