"""The outbox in Redis: a Redis stream whose entry ids are `<rv>-0`, beside the relay's lease.

Waiting for an entry blocks in Redis, so it has a connection of its own; only one waiter at a time uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from apiserver.store.base import StoreUnavailable
from apiserver.store.keys import Keys
from apiserver.store.pipeline import Pipeline
from apiserver.store.wire import Argument, Refusal, Wire, WireDown, WireLost
from broker.outbox import OutboxEntry, OutboxUnavailable

WAIT_LIMIT = 16
"""Entries that one `wait` hands out: who waited had everything before, so there are few, and of any size."""

READ_BYTES = 16 * 1024 * 1024
"""What one `read` hands out, but for its last entry: ten of the largest objects, or thousands of small ones."""

_READ = """
local found, size, start = {}, 0, ARGV[1]
local left, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
while left > 0 and size < limit do
  local page = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', math.min(left, 16))
  for _, entry in ipairs(page) do
    if size >= limit then break end
    found[#found + 1] = entry
    size = size + #entry[2][4]
    start = '(' .. entry[1]
  end
  if #page < 16 then break end
  left = left - #page
end
return found
"""
"""Pages, so that a backlog of large objects is not taken into memory to be cut there. The fourth of the fields is the
body (see commit.lua)."""

ANSWER_MARGIN_SECONDS = 5.0
"""How much longer than its block a blocking read may take before the connection counts as lost."""

_LEASE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_REPORT = """
redis.call('SET', KEYS[1], ARGV[1])
local server = redis.pcall('INFO', 'server')
local life = type(server) == 'string' and string.match(server, 'run_id:(%w+)')
if life then redis.call('SET', KEYS[2], life) end
return 1
"""
"""From here on the commit script knows where the stream is, in this life of the server (see `store.footing`)."""

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"


class RedisOutbox:
    """See `broker.outbox.Outbox`."""

    def __init__(self, pipeline: Pipeline, waiting: Wire, *, keys: Keys) -> None:
        self._pipeline = pipeline
        self._waiting = waiting
        self._turn = asyncio.Lock()
        self._keys = keys

    async def last_rv(self) -> int:
        return int(await self._ask("GET", self._keys.rv) or 0)

    async def history(self) -> str:
        found = await self._ask("GET", self._keys.history)
        return found.decode() if isinstance(found, bytes) else ""

    async def first_rv(self) -> int:
        found = entries_of(await self._ask("XRANGE", self._keys.outbox, "-", "+", "COUNT", 1))
        return found[0].rv if found else 0

    async def read(self, after: int, *, limit: int) -> Sequence[OutboxEntry]:
        return entries_of(await self._ask("EVAL", _READ, 1, self._keys.outbox, f"({after}-0", limit, READ_BYTES))

    async def wait(self, after: int, *, timeout_seconds: float) -> Sequence[OutboxEntry]:
        block = max(1, int(timeout_seconds * 1000))  # 0 would mean for ever
        command = ("XREAD", "COUNT", WAIT_LIMIT, "BLOCK", block, "STREAMS", self._keys.outbox, f"{after}-0")
        async with self._turn:
            try:
                [answer] = await self._waiting.exchange(
                    [command], timeout_seconds=timeout_seconds + ANSWER_MARGIN_SECONDS
                )
            except (WireDown, WireLost) as err:
                raise OutboxUnavailable(str(err)) from err
        if isinstance(answer, Refusal):
            raise OutboxUnavailable(f"Redis refused: {answer.message}")
        return entries_of(answer[0][1]) if answer else []

    async def trim(self, up_to: int) -> None:
        await self._ask("XTRIM", self._keys.outbox, "MINID", "=", f"{up_to + 1}-0")

    async def acquire_lease(self, holder: str, *, ttl_seconds: float) -> bool:
        answer = await self._ask("EVAL", _LEASE, 1, self._keys.lease, holder, int(ttl_seconds * 1000))
        return bool(answer == 1)

    async def release_lease(self, holder: str) -> None:
        await self._ask("EVAL", _RELEASE, 1, self._keys.lease, holder)

    async def report_stream(self, last_sequence: int) -> None:
        keys = (self._keys.stream, self._keys.compared)
        await self._ask("EVAL", _REPORT, len(keys), *keys, last_sequence)

    async def _ask(self, *command: Argument) -> Any:
        try:
            return await self._pipeline.ask(*command)
        except StoreUnavailable as err:
            raise OutboxUnavailable(str(err)) from err


def entries_of(answer: Sequence[Any]) -> list[OutboxEntry]:
    """What XRANGE answers, as the relay wants it."""
    return [_entry(identifier, fields) for identifier, fields in answer]


def _entry(identifier: bytes, flat: Sequence[bytes]) -> OutboxEntry:
    values = dict(zip(flat[::2], flat[1::2], strict=True))
    return OutboxEntry(
        rv=int(identifier.partition(b"-")[0]),
        subject=values[b"s"].decode(),
        body=values[b"b"],
        headers=orjson.loads(values[b"h"]),
    )
