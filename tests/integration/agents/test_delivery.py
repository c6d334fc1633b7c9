"""The delivery contract of agents on real parts: whatever dies, every change is reconciled, and nothing skips."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from agents.client import runtime
from agents.client.resources import CONFIGMAPS
from broker.connection import Connection
from broker.login import UrlLogin
from broker.selection import consumer_name
from tests.conftest import eventually
from tests.integration.agents.plane import Plane, Servers, plane_of
from tests.integration.agents.recording import Recorder, recording

Obj = dict[str, Any]


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Each test has its own: it kills them."""
    made = Servers(tmp_path_factory.mktemp("plane"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest_asyncio.fixture
async def plane(servers: Servers, quiet_end: None) -> AsyncIterator[Plane]:
    async with plane_of(servers, nodes=0) as made:
        yield made


class Writer:
    """Writes ConfigMaps all over again, and knows the last version of each."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self.versions: dict[str, int] = {}

    async def write(self, name: str) -> None:
        obj = {"metadata": {"name": name}, "data": {"x": secrets.token_hex(4)}}
        if name in self.versions:
            made = await self._plane.patch(CONFIGMAPS, name, {"data": obj["data"]})
        else:
            made = await self._plane.create(CONFIGMAPS, obj)
        self.versions[name] = int(made["metadata"]["resourceVersion"])

    async def write_many(self, names: range) -> None:
        await asyncio.gather(*(self.write(f"m{n}") for n in names))

    async def remove(self, name: str) -> None:
        await self._plane.delete(CONFIGMAPS, name)
        self.versions[name] = 0


async def until_reconciled(recorder: Recorder, writer: Writer) -> None:
    def met() -> bool:
        last = recorder.last()
        return all(last.get(name) == version for name, version in writer.versions.items())

    await eventually(met, timeout_seconds=60, what="every object reconciled as it is")


async def until_followed(agent: runtime.Agent) -> None:
    await eventually(lambda: agent.ready and agent.idle, timeout_seconds=60, what="the agent follows and is idle")


async def test_over_crashes_in_the_middle_of_a_load_every_change_is_reconciled(plane: Plane) -> None:
    writer = Writer(plane)
    seen: dict[str, list[int]] = {}
    for life in range(4):
        recorder = Recorder(plane.namespace)
        recorder.slow = 0.002
        async with recording(plane.servers, recorder, name="recorder"):
            await writer.write_many(range(40))
            await writer.remove(f"m{life}")
            del writer.versions[f"m{life}"]
            await eventually(lambda r=recorder: len(r.seen) > 10, timeout_seconds=60, what="some are done")  # type: ignore[misc]
        for name, versions in recorder.seen.items():
            seen.setdefault(name, []).extend(versions)
    last = Recorder(plane.namespace)
    async with recording(plane.servers, last, name="recorder") as agent:
        await until_followed(agent)
        for name, versions in last.seen.items():
            seen.setdefault(name, []).extend(versions)
    assert {name: seen[name][-1] for name in writer.versions} == writer.versions


async def test_a_restart_costs_what_was_missed_and_not_the_world(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "BACKGROUND_KEYS_PER_SECOND", 0.01)
    writer = Writer(plane)
    await writer.write_many(range(60))
    first = Recorder(plane.namespace)
    async with recording(plane.servers, first, name="recorder") as agent:
        await until_followed(agent)
        await eventually(lambda: len(first.seen) == 60, timeout_seconds=60, what="all are done")
        await writer.write("m1")
        await until_reconciled(first, writer)
        await until_followed(agent)
        first.fail = lambda name: name == "m2"
        await writer.write("m2")
        await writer.write("m3")
        await eventually(lambda: first.last().get("m3") == writer.versions["m3"], what="the one behind it is done")
    await writer.write_many(range(4, 8))
    again = Recorder(plane.namespace)
    async with recording(plane.servers, again, name="recorder"):
        await eventually(
            lambda: {"m2", "m4", "m5", "m6", "m7"} <= again.seen.keys(), timeout_seconds=60, what="what was missed"
        )
        assert set(again.seen) <= {"m2", "m3", "m4", "m5", "m6", "m7"}
        assert all(again.last()[name] == writer.versions[name] for name in again.seen)


async def test_a_lost_cursor_makes_everything_dirty(plane: Plane) -> None:
    writer = Writer(plane)
    await writer.write_many(range(20))
    first = Recorder(plane.namespace)
    async with recording(plane.servers, first, name="recorder") as agent:
        await until_followed(agent)
    connection = Connection(UrlLogin(plane.servers.nats.url), name="test")
    async with connection.running():
        await connection.api(f"CONSUMER.DELETE.CHANGES.{consumer_name('recorder')}")
    await writer.write("m1")
    await writer.remove("m2")
    del writer.versions["m2"]
    again = Recorder(plane.namespace)
    async with recording(plane.servers, again, name="recorder"):
        await until_reconciled(again, writer)
        await writer.write("m3")
        await until_reconciled(again, writer)


async def test_a_cursor_that_is_lost_while_it_is_followed_is_noticed(plane: Plane) -> None:
    writer = Writer(plane)
    recorder = Recorder(plane.namespace)
    connection = Connection(UrlLogin(plane.servers.nats.url), name="test")
    async with recording(plane.servers, recorder, name="recorder") as agent, connection.running():
        await until_followed(agent)
        await writer.write_many(range(5))
        await connection.api(f"CONSUMER.DELETE.CHANGES.{consumer_name('recorder')}")
        await writer.write_many(range(10))
        await until_reconciled(recorder, writer)


async def test_while_nats_is_down_agents_wait_and_miss_nothing(plane: Plane) -> None:
    writer = Writer(plane)
    recorder = Recorder(plane.namespace)
    async with recording(plane.servers, recorder, name="recorder") as agent:
        await until_followed(agent)
        await writer.write_many(range(5))
        await asyncio.to_thread(plane.servers.nats.kill)
        await writer.write_many(range(20))
        await eventually(lambda: not agent.ready, timeout_seconds=30, what="the agent says that it hears nothing")
        await asyncio.to_thread(plane.servers.nats.start)
        await until_reconciled(recorder, writer)
        await eventually(lambda: agent.ready, timeout_seconds=30, what="the agent hears again")


async def test_when_nats_loses_its_disk_agents_look_at_everything(plane: Plane) -> None:
    writer = Writer(plane)
    recorder = Recorder(plane.namespace)
    async with recording(plane.servers, recorder, name="recorder") as agent:
        await writer.write_many(range(10))
        await until_reconciled(recorder, writer)
        nats = plane.servers.nats
        await asyncio.to_thread(nats.kill)
        nats.lose_data()
        await writer.write_many(range(5, 15))
        await asyncio.to_thread(nats.start)
        await until_reconciled(recorder, writer)
        await writer.write_many(range(20))
        await until_reconciled(recorder, writer)
        assert agent.ready


@pytest.mark.parametrize("part", ["api", "redis"])
async def test_while_a_server_is_killed_and_comes_back_nothing_is_missed(plane: Plane, part: str) -> None:
    writer = Writer(plane)
    recorder = Recorder(plane.namespace)
    process = getattr(plane.servers, part)
    async with recording(plane.servers, recorder, name="recorder") as agent:
        await until_followed(agent)
        await writer.write_many(range(10))
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
        await writer.write_many(range(10))
        await until_reconciled(recorder, writer)


async def test_two_processes_that_read_one_cursor_leave_nothing_out(plane: Plane) -> None:
    """It is not meant to be: for a moment after a leader was taken for dead it may happen."""
    writer = Writer(plane)
    one, two = Recorder(plane.namespace), Recorder(plane.namespace)
    async with recording(plane.servers, one, name="recorder") as first:
        await until_followed(first)
        async with recording(plane.servers, two, name="recorder"):
            await writer.write_many(range(30))
            await asyncio.sleep(0.3)
        await writer.write_many(range(30))
        await until_reconciled(one, writer)
