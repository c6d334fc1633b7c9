"""GET /backbeat/doctor: is what must hold true?

    numbers          the counter is where the stream ends, or the outbox covers the difference; writes are taken
    outbox           it has no hole, and holds what the stream holds under the same numbers
    objects          every object equals the last change of its subject in the stream, and none is missing
    subscriptions    each has its consumer
    secrets          each can be opened with the keys that this server has

One line for each check, with lines of progress between, and a last one:

    {"check": "numbers", "ok": true, "found": "…", "advice": "", "details": []}
    {"end": {"ok": true, "resourceVersion": 1234}}

All goes on while it is looked at. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict, dataclass, field

import orjson
import structlog

from apiserver.care.compare import Comparison, Difference, Outbox
from apiserver.care.told import Line, Lines, Progress
from apiserver.store.base import Store, StoreUnavailable
from apiserver.store.seal import SEALED_KINDS, Sealer, Unsealable, key_id_of
from apiserver.store.upkeep import Numbers, Upkeep
from apiserver.subscriptions import spec
from apiserver.subscriptions.spec import SUBSCRIPTIONS, Wanted
from broker import consumer
from broker.connection import Connection
from broker.consumer import ConsumerState
from broker.errors import BusError, StreamMissing
from broker.outbox import OutboxUnavailable
from broker.stream import StreamState, state

log = structlog.get_logger(__name__)

MOST_DETAILS = 20
TRIES = 5
PAUSE_SECONDS = 0.3
"""Between looks at what may be just about to be right."""

REPAIR = "see what `backbeat repair` would do"


@dataclass(slots=True)
class Finding:
    """What one check comes to. `advice` says what to do."""

    check: str
    ok: bool
    found: str
    advice: str = ""
    details: list[str] = field(default_factory=list)

    def line(self) -> Line:
        cut = len(self.details) - MOST_DETAILS
        more = [f"… and {cut} more"] if cut > 0 else []
        return {**asdict(self), "details": [*self.details[:MOST_DETAILS], *more]}


Check = Callable[[], AsyncGenerator[Finding | Line, None]]


class Doctor:
    def __init__(self, store: Store, upkeep: Upkeep, connection: Connection, sealer: Sealer) -> None:
        self._store = store
        self._upkeep = upkeep
        self._connection = connection
        self._sealer = sealer

    async def examine(self) -> Lines:
        checks: dict[str, Check] = {
            "numbers": self._numbers,
            "outbox": self._outbox,
            "objects": self._objects,
            "subscriptions": self._subscriptions,
            "secrets": self._secrets,
        }
        well = True
        for name, check in checks.items():
            async for told in self._in_words(name, check):
                if isinstance(told, Finding):
                    well = well and told.ok
                    yield told.line()
                else:
                    yield told
        yield {"end": {"ok": well, "resourceVersion": await self._last()}}

    async def _last(self) -> int | None:
        try:
            return int(await self._store.current_rv())
        except StoreUnavailable:
            return None

    async def _in_words(self, name: str, check: Check) -> AsyncGenerator[Finding | Line, None]:
        """A server that is away is something to be told, not an end."""
        try:
            async for told in check():
                yield told
        except StreamMissing:
            yield Finding(name, False, "there is no stream", "wait a moment: the relay makes one; see its log if not")
        except BusError as err:
            yield Finding(name, False, f"NATS can't be asked: {err}", "start NATS, or look at its log")
        except (StoreUnavailable, OutboxUnavailable) as err:
            yield Finding(name, False, f"Redis can't be asked: {err}", "start Redis, or look at its log")

    async def _numbers(self) -> AsyncGenerator[Finding | Line, None]:
        """What is under way looks wrong for a moment: only what stays wrong is told."""
        for number in range(TRIES):
            stream = await state(self._connection)
            found = numbers_found(await self._upkeep.numbers(), stream)
            if found.ok or number == TRIES - 1:
                yield found
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _outbox(self) -> AsyncGenerator[Finding | Line, None]:
        found = Outbox()
        async for line in self._comparison().outbox(found):
            yield line
        yield outbox_found(found)

    async def _objects(self) -> AsyncGenerator[Finding | Line, None]:
        comparison = self._comparison()
        differ: list[str] = []
        async for seen in comparison.differences():
            if isinstance(seen, Difference):
                differ.append(f"{seen.name}: {seen.why}")
            else:
                yield seen
        yield objects_found(comparison.objects, differ, comparison.foreign)

    def _comparison(self) -> Comparison:
        return Comparison(self._store, self._upkeep, self._connection)

    async def _subscriptions(self) -> AsyncGenerator[Finding | Line, None]:
        for number in range(TRIES):
            wanted = [
                spec.read(orjson.loads(stored.json))
                async for batch in self._store.scan(SUBSCRIPTIONS)
                for _, stored in batch
            ]
            there = {one.name: one async for one in consumer.every(self._connection)}
            found = subscriptions_found([one for one in wanted if not one.deleted], there)
            if found.ok or number == TRIES - 1:
                yield found
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _secrets(self) -> AsyncGenerator[Finding | Line, None]:
        by_key: Counter[str] = Counter()
        broken: list[str] = []
        progress = Progress("secrets")
        for resource in SEALED_KINDS.values():
            async for batch in self._store.scan(resource):
                for key, stored in batch:
                    self._open(f"{resource.resource}/{key}", stored.json, by_key, broken)
                if line := progress.add(len(batch)):
                    yield line
        yield secrets_found(by_key, broken, self._sealer.key_id)

    def _open(self, name: str, raw: bytes, by_key: Counter[str], broken: list[str]) -> None:
        key_id = key_id_of(raw)
        if key_id is None:
            broken.append(f"{name} is not sealed")
            return
        by_key[key_id] += 1
        try:
            self._sealer.unseal(raw)
        except Unsealable as err:
            broken.append(str(err))


def numbers_found(numbers: Numbers, stream: StreamState) -> Finding:
    rv, last = numbers.rv, stream.last
    found = f"the record is at {rv}, the stream at {last} (from {stream.first} on)"
    if last > rv:
        return Finding("numbers", False, f"{found}: the record is behind, and takes no write", REPAIR)
    if numbers.outbox_last > rv:
        return Finding(
            "numbers", False, f"{found}: the counter is behind the outbox, which ends at {numbers.outbox_last}", REPAIR
        )
    if last < rv and not (numbers.outbox_last == rv and 0 < numbers.outbox_first <= last + 1):
        return Finding(
            "numbers",
            False,
            f"{found}: the outbox does not cover the difference",
            "wait a moment: the relay begins the stream anew; see the log of the API server if not",
        )
    if numbers.closed:
        return Finding("numbers", False, f"{found}: no write is taken: {numbers.closed}", "wait until that is done")
    waiting = f"; {rv - last} changes wait to be published" if last < rv else ""
    return Finding("numbers", True, f"{found}{waiting}")


def outbox_found(found: Outbox) -> Finding:
    if found.hole_before:
        what = f"changes are missing from it before {found.hole_before}"
        return Finding("outbox", False, what, REPAIR)
    if found.differ:
        what = f"{len(found.differ)} of {found.compared} entries are not what the stream holds under their numbers"
        return Finding("outbox", False, what, REPAIR, [f"number {rv}" for rv in found.differ])
    return Finding("outbox", True, f"{found.compared} entries compared with the stream")


def objects_found(compared: int, differ: list[str], foreign: list[str]) -> Finding:
    details = [*differ, *(f"a foreign message on {subject}" for subject in foreign)]
    if differ:
        what = f"{len(differ)} of {compared} objects differ between Redis and the stream"
        return Finding("objects", False, what, REPAIR, details)
    if foreign:
        what = f"{compared} objects compared; somebody else publishes into the stream"
        return Finding("objects", False, what, "find out who has the API server's NATS credentials", details)
    return Finding("objects", True, f"{compared} objects compared with the stream")


def subscriptions_found(wanted: list[Wanted], there: dict[str, ConsumerState]) -> Finding:
    wrong = [why for one in wanted if (why := _wrong(one, there.get(one.consumer)))]
    known = {one.consumer for one in wanted}
    others = [f"the consumer {name} belongs to no Subscription" for name in there if name not in known]
    found = f"{len(wanted)} subscriptions, {len(there)} consumers"
    if wrong:
        advice = "wait a moment: the API server that publishes makes them anew; see its log if it does not"
        return Finding("subscriptions", False, found, advice, [*wrong, *others])
    return Finding("subscriptions", True, found, details=others)


def _wrong(wanted: Wanted, found: ConsumerState | None) -> str:
    if found is None:
        return f"{wanted.name} has no consumer"
    if sorted(found.filters) != list(wanted.selection.filters()):
        return f"the consumer of {wanted.name} selects something else"
    if found.owner not in ("", wanted.uid):
        return f"the consumer of {wanted.name} was made for another Subscription of that name"
    return ""


def secrets_found(by_key: Counter[str], broken: list[str], first: str) -> Finding:
    total = by_key.total()
    if broken:
        advice = "put the missing key into the key file of the API server; a Secret whose key is lost can be deleted"
        return Finding("secrets", False, f"{len(broken)} of {total} can't be opened", advice, broken)
    older = total - by_key[first]
    if older:
        advice = "seal them anew with `backbeat secrets rotate`, before the old key is removed"
        return Finding("secrets", True, f"{total} can be opened, {older} of them with an older key only", advice)
    return Finding("secrets", True, f"{total} can be opened")
