"""GET /backbeat/repair: what would be done to make Redis and the stream say the same. POST does it.

    from=stream    Redis is made what the stream says
    from=record    the stream is made what Redis says
    acceptLoss=true

The record is behind the stream. From the stream: what it lacks is applied to it, same numbers, same bytes. From the
record: it goes on behind the stream's end, the stream begins anew there, and what only the stream had is given up.

Objects differ. Each is written once more, as a new change, with what the chosen side says: so everybody hears of it,
whoever has read the one or the other.

The counter is behind the outbox, or the outbox is not what was published. The counter goes where the outbox ends; what
was published is dropped from the outbox.

The stream is behind, or gone. Nothing is to be done: the relay fills it up from the outbox, or begins it anew.

Without `from` the stream is believed where the record is behind it, because what it holds has been heard; where objects
differ, somebody must choose. No number is ever used twice. All of it works while writes are refused.

    {"step": "apply", "what": "…", "loses": "…"}      each thing to be done, in order
    {"choose": "…"}                                   it cannot go on without being told
    {"done": "apply"}                                 with POST
    {"end": {"steps": 2, "done": true}}
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import orjson
import structlog

from apiserver.api import status
from apiserver.authn import User
from apiserver.cache.feed import NotAChange, parts_of
from apiserver.care.compare import Comparison, Difference, Outbox
from apiserver.care.restore import CaughtUp
from apiserver.care.told import Line, Lines, Progress
from apiserver.rest import encode
from apiserver.rest.endpoint import PODS
from apiserver.rest.records import Actor
from apiserver.store.base import ChangeType, Commit, Key, Mismatch, ResourceVersion, Store, Stored
from apiserver.store.upkeep import Applied, Numbers, Upkeep
from broker import subjects
from broker.change import Change
from broker.connection import Connection
from broker.crashpoints import from_environment
from broker.errors import BusError, StreamMissing
from broker.relay import RelaySettings
from broker.replay import replay
from broker.stream import StreamState, state

log = structlog.get_logger(__name__)

Source = Literal["", "stream", "record"]

BATCH = 200
BATCH_BYTES = 4 * 1024 * 1024
NAMED = 5
"""So many objects are named in a step."""
EVEN_SECONDS = 30.0


@dataclass(slots=True)
class Plan:
    """`apply_from`: the first number that the record lacks and the stream has. `leap`: go on behind this number."""

    steps: list[Line] = field(default_factory=list)
    choose: str = ""
    counter: int = 0
    apply_from: int = 0
    apply_to: int = 0
    gap: bool = False
    """The stream does not reach back to what the record lacks."""
    leap: int | None = None
    drop_up_to: int = 0
    objects: list[Difference] = field(default_factory=list)

    def add(self, name: str, what: str, loses: str = "") -> None:
        self.steps.append({"step": name, "what": what, "loses": loses})

    @property
    def loses(self) -> list[str]:
        return [step["loses"] for step in self.steps if step["loses"]]


class Repair:
    def __init__(self, store: Store, upkeep: Upkeep, connection: Connection, *, caught_up: CaughtUp) -> None:
        self._store = store
        self._upkeep = upkeep
        self._connection = connection
        self._caught_up = caught_up
        self._crash = from_environment()

    async def plan(self, source: Source) -> Lines:
        """Raises StoreUnavailable, BusError, StatusError."""
        plan = Plan()
        async for line in self._planned(plan, source):
            yield line
        for line in _told(plan):
            yield line
        yield {"end": {"steps": len(plan.steps), "done": False}}

    async def run(self, source: Source, user: User, *, accept_loss: bool) -> Lines:
        """Raises StoreUnavailable, BusError, StatusError."""
        plan = Plan()
        async for line in self._planned(plan, source):
            yield line
        for line in _told(plan):
            yield line
        if plan.choose or (plan.loses and not accept_loss):
            yield {"end": {"steps": len(plan.steps), "done": False}}
            return
        async for line in self._done(plan, source, user):
            yield line
        yield {"end": {"steps": len(plan.steps), "done": True}}

    async def _planned(self, plan: Plan, source: Source) -> Lines:
        numbers = await self._upkeep.numbers()
        if numbers.closed:
            raise status.Conflict(f"no write is taken now: {numbers.closed}; wait until that is done")
        stream = await self._stream()
        plan_numbers(plan, numbers, stream, source)
        if plan.leap is not None or plan.apply_from:
            return  # the record is compared when it has the numbers that it lacks
        outbox = Outbox()
        comparison = self._comparison()
        async for line in comparison.outbox(outbox):
            yield line
        plan_outbox(plan, outbox, numbers, stream)
        async for line in self._compared(plan, comparison):
            yield line
        plan_objects(plan, source)

    async def _compared(self, plan: Plan, comparison: Comparison) -> Lines:
        plan.objects = []
        async for seen in comparison.differences():
            if isinstance(seen, Difference):
                plan.objects.append(seen)
            else:
                yield seen

    def _comparison(self) -> Comparison:
        return Comparison(self._store, self._upkeep, self._connection)

    async def _stream(self) -> StreamState:
        try:
            return await state(self._connection)
        except StreamMissing as err:
            raise status.ServiceUnavailable("there is no stream; the relay makes one, wait a moment") from err

    async def _done(self, plan: Plan, source: Source, user: User) -> Lines:
        if plan.apply_from:
            await self._store.outbox.report_stream(plan.apply_to)  # no write before all of it is there
        if plan.counter:
            await self._upkeep.raise_to(plan.counter)
            yield {"done": "counter"}
        if plan.apply_from:
            async for line in self._apply(plan):
                yield line
            yield {"done": "apply"}
            async for line in self._compared(plan, self._comparison()):
                yield line
        if plan.leap is not None:
            await self._upkeep.leap(plan.leap, history=secrets.token_hex(8))
            yield {"done": "leap"}
        if plan.drop_up_to:
            await self._store.outbox.trim(plan.drop_up_to)
            yield {"done": "outbox"}
        if plan.objects:
            await self._write_anew(plan.objects, source or "stream", user)
            yield {"done": "objects"}
        await self._even()

    async def _apply(self, plan: Plan) -> Lines:
        """Change by change, in batches. Whoever repairs at the same time does the same: the one goes on where the other
        is."""
        keep_from = plan.apply_to - RelaySettings().margin
        if plan.gap or plan.apply_from <= keep_from:
            await self._store.outbox.trim(plan.apply_from - 1)  # it would have a hole
        progress = Progress("apply", plan.apply_to - plan.apply_from + 1)
        async for steps in self._batches(plan.apply_from, plan.apply_to, keep_from):
            reached = await self._upkeep.apply(steps)
            if reached < steps[-1].change.rv:
                raise status.Conflict(f"the record did not follow: it is at {reached}; try again")
            self._crash.reach("repair-applied")
            if line := progress.add(len(steps)):
                yield line

    async def _batches(self, first: int, last: int, keep_from: int) -> AsyncIterator[Sequence[Applied]]:
        batch: list[Applied] = []
        size = 0
        async for change in replay(self._connection, after=first - 1, up_to=last):
            batch.append(_applied(change, in_outbox=change.rv > keep_from))
            size += len(change.body)
            if len(batch) >= BATCH or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _write_anew(self, differences: Sequence[Difference], source: Source, user: User) -> None:
        headers = Actor(user, datetime.now(UTC)).headers(datetime.now(UTC))
        for one in differences:
            commit = commit_for(one, source, headers)
            if commit is None:
                continue
            try:
                await self._store.commit(commit)
            except Mismatch:
                log.info("an object changed meanwhile, and needs no repair", object=one.name)

    async def _even(self) -> None:
        """Until the relay has published everything and this server shows it, or the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + EVEN_SECONDS
        while loop.time() < deadline:
            try:
                rv = int(await self._store.current_rv())
                if (await state(self._connection)).last >= rv:
                    await self._caught_up(rv)
                    return
            except BusError as err:
                log.info("the stream is not there yet", reason=str(err))
            await asyncio.sleep(0.1)


def _told(plan: Plan) -> list[Line]:
    return [*plan.steps, *([{"choose": plan.choose}] if plan.choose else [])]


def plan_numbers(plan: Plan, numbers: Numbers, stream: StreamState, source: Source) -> None:
    """What the counter, the outbox and the stream's ends tell."""
    rv, last = numbers.rv, stream.last
    if numbers.outbox_last > rv:
        plan.counter = numbers.outbox_last
        plan.add("counter", f"the counter goes from {rv} to {plan.counter}, where the outbox ends")
        rv = plan.counter
    if last <= rv:
        return
    lacks = f"{rv + 1} to {last}" if last > rv + 1 else f"{last}"
    if source == "record":
        plan.leap = last
        plan.add(
            "leap",
            f"the record goes on behind {last + 1}, and the stream begins anew there; agents start again",
            f"the changes {lacks}, which others have heard, and everything else that the stream holds",
        )
        return
    gap = plan.gap = stream.first > rv + 1
    plan.apply_from, plan.apply_to = max(rv + 1, stream.first), last
    plan.add(
        "apply",
        f"the changes {plan.apply_from} to {last} are applied to Redis, under the same numbers",
        f"the changes {rv + 1} to {stream.first - 1}, which neither has: what they did stays undone" if gap else "",
    )
    if gap:
        plan.counter = max(plan.counter, stream.first - 1)
        plan.add("counter", f"the numbers up to {plan.counter} count as given out")
    plan.add("objects", "what then still differs is written once more, as the stream has it")


def plan_outbox(plan: Plan, outbox: Outbox, numbers: Numbers, stream: StreamState) -> None:
    waits = numbers.rv > stream.last
    if (outbox.differ or (outbox.hole_before and outbox.hole_before <= stream.last + 1)) and not waits:
        plan.drop_up_to = stream.last
        plan.add(
            "outbox",
            "the outbox is emptied: all of it was published, and it is not what the stream holds",
            "what the stream could be filled up with if it lost its end",
        )


def plan_objects(plan: Plan, source: Source) -> None:
    if not plan.objects:
        return
    count = len(plan.objects)
    names = ", ".join(one.name for one in plan.objects[:NAMED]) + (", …" if count > NAMED else "")
    if not source:
        plan.choose = (
            f"{count} objects differ ({names}): say --from stream to make Redis what the stream says of them, or "
            "--from record to publish what Redis says"
        )
        return
    other = "Redis" if source == "stream" else "the stream"
    plan.add(
        "objects",
        f"{count} objects are written once more, as new changes, with what the {source} says: {names}",
        f"what only {other} says of them",
    )


def commit_for(one: Difference, source: Source, headers: tuple[tuple[str, str], ...]) -> Commit | None:
    """The write that makes both sides say what the chosen one says. None where there is nothing to be said."""
    wanted = _said_by_stream(one.stream) if source == "stream" else one.record
    last = wanted or one.record or _said_by_stream(one.stream, even_gone=True)
    if last is None:
        return None
    kind: ChangeType = "DELETED" if wanted is None else "MODIFIED" if one.record is not None else "ADDED"
    obj = orjson.loads(last.json)
    namespace, _, name = one.key.partition("/")
    node = obj.get("spec", {}).get("nodeName", "") if one.resource == PODS else None
    head, tail = encode.halves(obj)
    return Commit(
        key=Key(one.resource, namespace, name),
        type=kind,
        expected_rv=one.record.rv if one.record is not None else ResourceVersion(0),
        head=head,
        tail=tail,
        subject=subjects.subject_for(one.resource.group, one.resource.resource, namespace, name, node=node),
        headers=headers,
    )


def _said_by_stream(change: Change | None, *, even_gone: bool = False) -> Stored | None:
    """None where it says that there is none."""
    try:
        parts = parts_of(change) if change is not None else None
    except NotAChange:
        return None
    if change is None or parts is None or (parts.type == "DELETED" and not even_gone):
        return None
    return Stored(ResourceVersion(change.rv), parts.object)


def _applied(change: Change, *, in_outbox: bool) -> Applied:
    try:
        parts = parts_of(change)
    except NotAChange:
        return Applied(change, in_outbox=in_outbox)
    return Applied(change, parts.resource, parts.key, in_outbox)
