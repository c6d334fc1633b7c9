"""What it takes to look after the record itself: to check it, rebuild it from the stream, or put another in its place.

Every step that changes something is one script, which first looks whether all is still as the caller saw it, and else
does nothing: so two who repair at once do no harm, and no step has to be asked whether it was done.

No number is ever given out twice: the counter only rises here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from apiserver.store.base import ResourceVersion, Stored, StoredResource
from apiserver.store.keys import Keys, resource_name, stored_of
from apiserver.store.pipeline import Pipeline
from apiserver.store.wire import Argument
from broker.change import Change

CLOSED_SECONDS = 10.0
"""How long the record stays closed when whoever closed it has died."""

_APPLY = """
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if last ~= tonumber(ARGV[1]) then return last end
for at = 2, #ARGV, 8 do
  local rv, kind, field, body = ARGV[at], ARGV[at + 1], ARGV[at + 3], ARGV[at + 6]
  local objects = KEYS[tonumber(ARGV[at + 2])]
  if ARGV[at + 7] ~= '' then
    redis.call('XADD', KEYS[2], rv .. '-0', 's', ARGV[at + 5], 'b', body, 'h', ARGV[at + 7])
  end
  if kind == 'DELETED' then
    redis.call('HDEL', objects, field)
  elseif kind ~= '' then
    redis.call('HSET', objects, field, rv .. ' ' .. string.sub(body, 21 + #kind, -2))
    redis.call('SADD', KEYS[3], ARGV[at + 4])
  end
  redis.call('SET', KEYS[1], rv)
  last = tonumber(rv)
end
return last
"""
"""Change by change, the number last: should Redis refuse one, all before it are there whole. A frame's object begins
behind `{"type":"…","object":`."""

_RAISE = """
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if last >= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""

_LEAP = """
local last = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[1])) + 1
redis.call('SET', KEYS[1], string.format('%.0f', last))
redis.call('UNLINK', KEYS[2])
redis.call('SET', KEYS[3], ARGV[2])
return last
"""

_SWITCH = """
if redis.call('GET', KEYS[6]) ~= ARGV[1] then return 0 end
redis.call('UNLINK', KEYS[2], KEYS[3])
for at = 8, 7 + tonumber(ARGV[4]) do redis.call('UNLINK', KEYS[at]) end
for at = 8 + tonumber(ARGV[4]), #KEYS, 2 do
  if redis.call('EXISTS', KEYS[at]) == 1 then redis.call('RENAME', KEYS[at], KEYS[at + 1]) end
end
for at = 5, #ARGV do redis.call('SADD', KEYS[3], ARGV[at]) end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SET', KEYS[5], ARGV[3])
redis.call('DEL', KEYS[7])
return 1
"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """`rv` is the last number that was given out, `stream` the last sequence that a relay saw."""

    rv: int
    stream: int
    outbox_first: int
    outbox_last: int
    outbox_entries: int
    closed: str
    """Why no write is taken; empty: it is open."""
    aside: int
    """How many keys of an unfinished restore lie about."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A change of the stream and what it is about; `resource` None for a foreign message, which is a number only."""

    change: Change
    resource: StoredResource | None = None
    key: str = ""
    """`<namespace>/<name>`."""
    in_outbox: bool = True


class Upkeep:
    """All methods raise StoreUnavailable."""

    def __init__(self, pipeline: Pipeline, *, keys: Keys) -> None:
        self._pipeline = pipeline
        self._keys = keys

    async def numbers(self) -> Numbers:
        keys = self._keys
        rv, stream, closed = await self._pipeline.ask("MGET", keys.rv, keys.stream, keys.closed)
        first = await self._pipeline.ask("XRANGE", keys.outbox, "-", "+", "COUNT", 1)
        last = await self._pipeline.ask("XREVRANGE", keys.outbox, "+", "-", "COUNT", 1)
        entries = await self._pipeline.ask("XLEN", keys.outbox)
        aside = await self._pipeline.ask("SMEMBERS", keys.aside)
        return Numbers(
            rv=int(rv or 0),
            stream=int(stream or 0),
            outbox_first=_number(first),
            outbox_last=_number(last),
            outbox_entries=int(entries),
            closed=(closed or b"").decode(),
            aside=len(aside),
        )

    async def size(self, resource: StoredResource) -> int:
        """How many objects it has."""
        return int(await self._pipeline.ask("HLEN", self._keys.objects(resource)))

    async def values(self, resource: StoredResource, keys: Sequence[str]) -> list[Stored | None]:
        """Of each `<namespace>/<name>`, in order."""
        if not keys:
            return []
        found = await self._pipeline.ask("HMGET", self._keys.objects(resource), *keys)
        return [None if value is None else stored_of(value) for value in found]

    async def apply(self, steps: Sequence[Applied]) -> int:
        """Take in changes as they were published, if the first one is the next number. Answers the counter: it is at
        the last of them, or somebody else moved it."""
        resources = list(dict.fromkeys(step.resource for step in steps if step.resource is not None))
        places = {resource: number for number, resource in enumerate(resources, 4)}
        arguments: list[Argument] = [steps[0].change.rv - 1]
        for step in steps:
            arguments += _arguments(step, places)
        keys = (self._keys.rv, self._keys.outbox, self._keys.resources, *map(self._keys.objects, resources))
        return int(await self._pipeline.ask("EVAL", _APPLY, len(keys), *keys, *arguments))

    async def raise_to(self, rv: int) -> None:
        """Numbers up to `rv` count as given out."""
        await self._pipeline.ask("EVAL", _RAISE, 1, self._keys.rv, rv)

    async def leap(self, beyond: int, *, history: str) -> ResourceVersion:
        """Go on with another history, behind a number that is larger than `beyond` and than any that was given out. The
        relay then begins the stream anew. Answers that number, which nobody gets."""
        keys = (self._keys.rv, self._keys.outbox, self._keys.history)
        return ResourceVersion(int(await self._pipeline.ask("EVAL", _LEAP, len(keys), *keys, beyond, history)))

    async def close(self, why: str) -> None:
        """Take no write for CLOSED_SECONDS; say it again to go on."""
        await self._pipeline.ask("SET", self._keys.closed, why, "PX", int(CLOSED_SECONDS * 1000))

    async def open(self) -> None:
        await self._pipeline.ask("DEL", self._keys.closed)

    async def seize_lease(self, holder: str, *, ttl_seconds: float) -> None:
        """Whoever has the relay's lease has it no more; a relay notices within the lease's life."""
        await self._pipeline.ask("SET", self._keys.lease, holder, "PX", int(ttl_seconds * 1000))

    async def put_aside(self, resource: StoredResource, objects: Iterable[tuple[str, Stored | None]]) -> None:
        """Objects of what is being restored, newest last; None for one that is gone."""
        there: dict[str, Stored | None] = dict(objects)
        name = self._keys.put_aside(self._keys.objects(resource))
        await self._pipeline.ask("SADD", self._keys.aside, name)
        values = [part for key, one in there.items() if one for part in (key, b"%d %b" % (one.rv, one.json))]
        if values:
            await self._pipeline.ask("HSET", name, *values)
        gone = [key for key, one in there.items() if one is None]
        if gone:
            await self._pipeline.ask("HDEL", name, *gone)

    async def put_outbox_aside(self, changes: Sequence[Change]) -> None:
        name = self._keys.put_aside(self._keys.outbox)
        await self._pipeline.ask("SADD", self._keys.aside, name)
        commands: list[tuple[Argument, ...]] = [
            ("XADD", name, f"{one.rv}-0", "s", one.subject, "b", one.body, "h", orjson.dumps(own_headers(one)))
            for one in changes
        ]
        await asyncio.gather(*(self._pipeline.ask(*command) for command in commands))  # in this order

    async def drop_aside(self) -> None:
        """Forget what was put aside, by this restore or by one that ended early."""
        names = await self._pipeline.ask("SMEMBERS", self._keys.aside)
        await self._pipeline.ask("UNLINK", self._keys.aside, *names)

    async def switch(
        self, *, why: str, rv: int, history: str, old: Sequence[StoredResource], new: Sequence[StoredResource]
    ) -> bool:
        """What was put aside takes the place of what is there, in one step. `old` are the resources that there are; the
        record must be closed, with `why`. False when it is not: nothing was done."""
        keys = self._keys
        targets = [keys.outbox, *map(keys.objects, new)]
        pairs = [name for target in targets for name in (keys.put_aside(target), target)]
        fixed = (keys.rv, keys.outbox, keys.resources, keys.stream, keys.history, keys.closed, keys.aside)
        named = (*fixed, *map(keys.objects, old), *pairs)
        arguments: tuple[Argument, ...] = (why, rv, history, len(old), *map(resource_name, new))
        return bool(await self._pipeline.ask("EVAL", _SWITCH, len(named), *named, *arguments))


def _arguments(step: Applied, places: dict[StoredResource, int]) -> list[Argument]:
    change = step.change
    headers = orjson.dumps(own_headers(change)) if step.in_outbox else b""
    if step.resource is None:
        return [change.rv, "", 4, "", "", change.subject, change.body, headers]
    name = resource_name(step.resource)
    place = places[step.resource]
    return [change.rv, change.type, place, step.key, name, change.subject, change.body, headers]


def own_headers(change: Change) -> dict[str, str]:
    """Without those of the broker."""
    return {name: value for name, value in (change.headers or {}).items() if not name.startswith("Nats-")}


def _number(entries: Sequence[tuple[bytes, object]]) -> int:
    return int(entries[0][0].partition(b"-")[0]) if entries else 0
