"""Durable consumers as JetStream knows them: how one is described, made, moved, read and removed.

Managing consumers is for the API servers, or for whoever owns the broker. Listeners only read (`broker.subscriber`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker import subjects
from broker.connection import Connection
from broker.stream import state

ACK_WAIT_SECONDS = 365 * 86_400
"""Redelivery is asked for when a process attaches, and not by a timer: work may take as long as it takes."""
_OWNER = "backbeat.dev/owner"

Config = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerState:
    """`acknowledged` and `delivered` are stream sequences; before the first, they are where the consumer began.

    `pending` counts the selected changes that were not delivered yet, `unacknowledged` those that were delivered and
    not acknowledged. `last_seen` is when somebody last took or acknowledged a change. `owner` is whom it was made for.
    """

    name: str
    filters: tuple[str, ...]
    begun: int
    acknowledged: int
    delivered: int
    pending: int
    unacknowledged: int
    waiting: bool
    last_seen: datetime | None
    owner: str = ""

    @property
    def lag(self) -> int:
        return self.pending + self.unacknowledged

    @property
    def untouched(self) -> bool:
        """Nothing was acknowledged yet, and nobody moved the cursor."""
        return self.acknowledged <= self.begun


def config_of(name: str, *, filters: Sequence[str], after: int, owner: str = "") -> Config:
    """A durable pull consumer with acknowledge-all, behind the sequence `after`."""
    config: Config = {
        "name": name,
        "durable_name": name,
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "ack_policy": "all",
        "ack_wait": ACK_WAIT_SECONDS * 1_000_000_000,
        "max_ack_pending": -1,
        "max_deliver": -1,
        "replay_policy": "instant",
        "max_waiting": 16,
        "num_replicas": 1,
        **({"metadata": {_OWNER: owner}} if owner else {}),
    }
    if len(filters) == 1:
        config["filter_subject"] = filters[0]
    else:
        config["filter_subjects"] = list(filters)
    return config


async def create(
    connection: Connection, name: str, *, filters: Sequence[str], after: int, owner: str = ""
) -> ConsumerState:
    """Its cursor is `after`, also where the stream begins only later: then it is behind what is kept, and seen to be.
    Raises ApiError when there is one of this name and another description, BusUnavailable."""
    made = await _put(connection, name, config_of(name, filters=filters, after=after, owner=owner), "create")
    if made.acknowledged > after and (await state(connection)).first > after + 1:
        # The server began with the oldest change that there is, without a word.
        return await move(connection, name, after=after)
    return made


async def select(connection: Connection, found: ConsumerState, *, filters: Sequence[str]) -> ConsumerState:
    """Change what an existing consumer selects; its cursor stays."""
    config = config_of(found.name, filters=filters, after=found.begun, owner=found.owner)
    return await _put(connection, found.name, config, "update")


async def _put(connection: Connection, name: str, config: Config, action: str) -> ConsumerState:
    return state_of(
        await connection.api(
            f"CONSUMER.CREATE.{subjects.STREAM}.{name}",
            {"stream_name": subjects.STREAM, "config": config, "action": action},
        )
    )


async def move(connection: Connection, name: str, *, after: int) -> ConsumerState:
    """Put the cursor to `after`, forward or back, but not before where it began. Whoever reads attaches again."""
    return state_of(await connection.api(f"CONSUMER.RESET.{subjects.STREAM}.{name}", {"seq": after + 1}))


async def release(connection: Connection, name: str) -> ConsumerState:
    """Take back what was delivered and not acknowledged: it is delivered again to whoever asks next."""
    return state_of(await connection.api(f"CONSUMER.RESET.{subjects.STREAM}.{name}"))


async def remove(connection: Connection, name: str) -> None:
    """Raises ConsumerMissing, StreamMissing, BusUnavailable."""
    await connection.api(f"CONSUMER.DELETE.{subjects.STREAM}.{name}")


async def find(connection: Connection, name: str) -> ConsumerState:
    """Raises ConsumerMissing, StreamMissing, BusUnavailable."""
    return state_of(await connection.api(f"CONSUMER.INFO.{subjects.STREAM}.{name}"))


async def every(connection: Connection) -> AsyncIterator[ConsumerState]:
    """All durable consumers of the stream, a page at a time. Raises StreamMissing, BusUnavailable."""
    offset = 0
    while True:
        page = await connection.api(f"CONSUMER.LIST.{subjects.STREAM}", {"offset": offset})
        found = page.get("consumers") or []
        for info in found:
            if info["config"].get("durable_name"):
                yield state_of(info)
        offset += len(found)
        if not found or offset >= page["total"]:
            return


def state_of(info: Mapping[str, Any]) -> ConsumerState:
    """JetStream's own description of a consumer, as this project reads it."""
    config, floor, delivered = info["config"], info["ack_floor"], info["delivered"]
    begun = max(0, int(config.get("opt_start_seq") or 1) - 1)
    moments = [_moment(part["last_active"]) for part in (floor, delivered) if part.get("last_active")]
    return ConsumerState(
        name=info["name"],
        filters=filters_of(config),
        begun=begun,
        acknowledged=max(floor["stream_seq"], begun),
        delivered=max(delivered["stream_seq"], begun),
        pending=info.get("num_pending", 0),
        unacknowledged=info.get("num_ack_pending", 0),
        waiting=info.get("num_waiting", 0) > 0,
        last_seen=max(moments, default=None),
        owner=(config.get("metadata") or {}).get(_OWNER, ""),
    )


def filters_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    several = config.get("filter_subjects")
    return tuple(several) if several else (str(config.get("filter_subject", "")),)


def _moment(text: str) -> datetime:
    """RFC 3339 with nanoseconds, of which six digits are kept."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6].ljust(6, '0')}+00:00")
