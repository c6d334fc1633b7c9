"""A stream, a durable cursor and a record in memory: what `Agent` needs, without servers and without time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from agents.client import runtime
from agents.client.outcome import Outcome
from agents.client.resources import ResourceRef
from agents.client.rest import ObjectList
from agents.client.runtime import Agent, Delta, Key
from broker import subjects
from broker.change import Change, frame
from broker.stream import StreamState
from broker.subscriber import CursorLost, SubscriptionState

Obj = dict[str, Any]


@dataclass
class FakeBus:
    """Every write gets the next number and is a message. `published` may lag behind the record."""

    changes: list[Change] = field(default_factory=list)
    objects: dict[tuple[str, str, str], Obj] = field(default_factory=dict)
    begun: int | None = None
    acked: int = 0
    first: int = 1
    lost: bool = False
    lists: int = 0
    stuck_at: int | None = None
    attached: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rv(self) -> int:
        return len(self.changes)

    @property
    def last(self) -> int:
        return self.rv if self.stuck_at is None else min(self.rv, self.stuck_at)

    def write(self, ref: ResourceRef, name: str, *, gone: bool = False, **spec: Any) -> int:
        rv = self.rv + 1
        place = (ref.resource, "default", name)
        obj = {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": str(rv)},
            "spec": spec,
        }
        kind = "DELETED" if gone else "MODIFIED" if place in self.objects else "ADDED"
        if gone:
            del self.objects[place]
        else:
            self.objects[place] = obj
        subject = subjects.subject_for(ref.group, ref.resource, "default", name)
        self.publish(subject, frame(kind, orjson.dumps(obj)))
        return rv

    def publish(self, subject: str, body: bytes) -> None:
        self.changes.append(Change(self.rv + 1, subject, body))
        self.arrived.set()

    def catch_up(self) -> None:
        self.stuck_at = None
        self.arrived.set()


class FakeRest:
    def __init__(self, bus: FakeBus) -> None:
        self._bus = bus

    async def list(self, ref: ResourceRef, *, field_selector: str = "", metadata_only: bool = False) -> ObjectList:
        self._bus.lists += 1
        items = [o for (resource, _, _), o in self._bus.objects.items() if resource == ref.resource]
        return ObjectList(items, str(self._bus.rv))


class FakeConnection:
    connected = True

    async def wait_connected(self) -> None:
        return


class FakeSubscriber:
    """The promises of `broker.subscriber.Subscriber`, over a list."""

    def __init__(self, bus: FakeBus, filters: Iterable[str]) -> None:
        self._bus = bus
        self._filters = tuple(filters)
        self._delivered: list[int] = []

    async def ensure(self) -> SubscriptionState:
        bus = self._bus
        if bus.begun is None:
            return SubscriptionState(cursor=0, created=True, lost=False)
        cursor = max(bus.begun, bus.acked)
        lost = bus.lost or cursor + 1 < bus.first or cursor > bus.last
        return SubscriptionState(cursor=cursor, created=False, lost=lost, untouched=cursor == bus.begun)

    async def stream_state(self) -> StreamState:
        return StreamState(self._bus.first, self._bus.last)

    async def begin(self, after: int) -> None:
        self._bus.begun, self._bus.acked, self._bus.lost = after, 0, False

    async def changes(self) -> AsyncGenerator[Change, None]:
        bus = self._bus
        found = await self.ensure()
        if found.created or found.lost:
            raise CursorLost("fake")
        bus.attached += 1
        attached = bus.attached
        position = found.cursor
        self._delivered.clear()
        while True:
            while position < bus.last:
                change = bus.changes[position]
                position += 1
                if any(_matches(f, change.subject) for f in self._filters):
                    self._delivered.append(change.rv)
                    yield change
                if bus.lost:
                    raise CursorLost("fake")
                if bus.attached != attached:
                    return
            bus.arrived.clear()
            await bus.arrived.wait()
            if bus.lost:
                raise CursorLost("fake")

    async def acknowledge(self, rv: int) -> None:
        done = [n for n in self._delivered if n <= rv]
        if done:
            self._bus.acked = max(self._bus.acked, done[-1])


def _matches(pattern: str, subject: str) -> bool:
    assert pattern.endswith(".>")
    return subject.startswith(pattern[:-1])


class Plan:
    """A controller that does as a test says and remembers what it was asked."""

    name = "plan"

    def __init__(self, *watched: ResourceRef) -> None:
        self._watched = watched
        self.asked: list[str] = []
        self.answers: dict[str, Outcome | Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.at_once: dict[str, int] = {}
        self.most_at_once = 0

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return dict.fromkeys(self._watched, self._key)

    def _key(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        if name.startswith("confusing"):
            raise KeyError("spec")
        yield Key("default", name)

    async def reconcile(self, key: Key) -> Outcome:
        self.asked.append(key.name)
        self.at_once[key.name] = self.at_once.get(key.name, 0) + 1
        self.most_at_once = max(self.most_at_once, self.at_once[key.name])
        try:
            if key.name in self.gates:
                await self.gates[key.name].wait()
            answer = self.answers.get(key.name, runtime.Done())
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.at_once[key.name] -= 1


@contextlib.asynccontextmanager
async def running(
    bus: FakeBus,
    monkeypatch: pytest.MonkeyPatch,
    *controllers: Plan,
    ask: Callable[[Agent], None] = lambda agent: None,
    **options: Any,
) -> AsyncIterator[Agent]:
    """An agent's life: cancelled at the end, as a crash would end it but for the last acknowledgements."""
    monkeypatch.setattr(runtime, "Subscriber", lambda _, *, name, filters: FakeSubscriber(bus, filters))
    monkeypatch.setattr(runtime, "RESTART_SECONDS", 0.01)
    rest: Any = FakeRest(bus)
    connection: Any = FakeConnection()
    agent = Agent(name="test", rest=rest, connection=connection, workers=4, **options)
    for controller in controllers:
        agent.add_controller(controller)
    ask(agent)
    task = asyncio.create_task(agent.run(), name="agent")
    try:
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
