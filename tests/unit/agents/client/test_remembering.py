"""An agent with a state file: its next life asks for nothing that it knew, and acts on all of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.client import kept, runtime
from agents.client.informer import Informer
from agents.client.memory import Memory
from agents.client.outcome import Outcome
from agents.client.resources import CONFIGMAPS, PODS, SECRETS, ResourceRef
from agents.client.runtime import Agent, Delta, Key
from agents.client.watching import Watching
from tests.conftest import eventually
from tests.unit.agents.client.fake_bus import FakeBus, Plan, running

Patch = pytest.MonkeyPatch
MANY = 450


async def idle(agent: Agent) -> None:
    await eventually(lambda: agent.ready and agent.idle, what="the agent is idle")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.sqlite"


@pytest.fixture(autouse=True)
def slow_background(monkeypatch: Patch) -> None:
    monkeypatch.setattr(runtime, "BACKGROUND_KEYS_PER_SECOND", 0.01)
    monkeypatch.setattr(kept, "FLUSH_SECONDS", 0.01)


class Counting(Plan):
    """At each key: how many pods it found, in all and by an index."""

    def __init__(self) -> None:
        super().__init__(PODS)
        self.pods: Informer | None = None
        self.told: set[str] = set()
        self.found: list[tuple[int, int]] = []

    def ask(self, agent: Agent) -> None:
        self.pods = agent.informer(PODS)
        self.pods.add_index("even", _even)
        agent.index("uid", lambda obj: [obj["metadata"]["uid"]])

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {PODS: self._hear}

    def _hear(self, delta: Delta) -> Iterable[Key]:
        self.told.add(delta.object["metadata"]["name"])
        return self._key(delta)

    async def reconcile(self, key: Key) -> Outcome:
        assert self.pods is not None
        even = len(self.pods.by_index("even", "yes"))
        self.found.append((even, len(list(self.pods.list("default")))))
        return await super().reconcile(key)


def _even(obj: Any) -> Iterator[str]:
    yield "yes" if obj["spec"].get("number", 0) % 2 == 0 else "no"


async def first_life(bus: FakeBus, monkeypatch: Patch, path: Path) -> None:
    """MANY pods are known, one change behind the snapshot was heard, and all is acknowledged."""
    for number in range(MANY):
        bus.write(PODS, f"p{number}", number=number)
    plan = Counting()
    async with running(bus, monkeypatch, plan, ask=plan.ask, state_file=path) as agent:
        await idle(agent)
        bus.write(PODS, "last", number=1)
        await eventually(lambda: bus.acked == MANY + 1, what="the change is acknowledged")


async def test_the_next_life_asks_for_nothing_and_reconciles_what_was_missed_on_a_whole_view(
    monkeypatch: Patch, path: Path
) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    lists = bus.lists
    bus.write(PODS, "p7", number=8)
    bus.write(PODS, "new", number=0)
    bus.write(PODS, "p8", gone=True)
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path) as agent:
        await eventually(lambda: bus.acked == bus.rv, what="what was missed is done")
        assert sorted(again.asked) == ["new", "p7", "p8"]
        assert set(again.found) == {(MANY // 2 + 1, MANY + 1)}
        assert bus.lists == lists
        await eventually(lambda: agent.recall("uid", "p9") is None, what="the rest is read")
        assert len(again.told) == MANY + 2, "each object that there is, and the one that is gone"
        assert len(again.asked) < 10


async def test_the_rest_is_checked_in_the_background(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    monkeypatch.setattr(runtime, "BACKGROUND_KEYS_PER_SECOND", 5000.0)
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path):
        await eventually(lambda: len(set(again.asked)) == MANY + 1, what="all are looked at")


async def test_what_was_kept_can_be_found_by_an_index_over_all_resources_until_it_was_told(
    monkeypatch: Patch, path: Path
) -> None:
    monkeypatch.setattr(runtime, "PAGE_SECONDS", 60.0)
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path) as agent:
        await eventually(lambda: agent.ready, what="it follows")
        found = agent.recall("uid", "p9")
        assert found is not None
        assert [(ref, obj["metadata"]["name"]) for ref, obj in found] == [(PODS, "p9")]


async def test_with_a_whole_view_everything_is_told_before_the_first_change(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    lists = bus.lists
    seen: list[int] = []
    again._key = lambda delta: seen.append(len(again.told)) or [Key("default", delta.object["metadata"]["name"])]  # type: ignore[method-assign,func-returns-value]
    bus.write(PODS, "new", number=0)
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path, whole_view=True):
        await eventually(lambda: bus.acked == bus.rv, what="what was missed is done")
    assert bus.lists == lists
    assert seen[-1] == MANY + 2


async def test_what_was_acknowledged_and_could_not_be_kept_any_more_is_learned_and_not_done_again(
    monkeypatch: Patch, path: Path
) -> None:
    """As a crash leaves it between an acknowledgement and the next writing of the file."""
    bus, plan, again = FakeBus(), Counting(), Counting()
    await first_life(bus, monkeypatch, path)
    older = path.parent / "older"
    shutil.copytree(path.parent, older, ignore=shutil.ignore_patterns("older"))
    async with running(bus, monkeypatch, plan, ask=plan.ask, state_file=path) as agent:
        await idle(agent)
        bus.write(PODS, "p7", number=8)
        bus.write(PODS, "p8", gone=True)
        await eventually(lambda: bus.acked == bus.rv, what="both are acknowledged")
    lists = bus.lists
    bus.write(PODS, "new", number=1)
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=older / path.name):
        await eventually(lambda: "new" in again.asked, what="what was missed is done")
        assert again.asked == ["new"]
        assert again.found == [(MANY // 2, MANY + 1)]
        await eventually(lambda: bus.acked == bus.rv, what="all is acknowledged")
    assert bus.lists == lists


async def test_work_that_was_not_done_comes_again_although_its_change_was_kept(monkeypatch: Patch, path: Path) -> None:
    bus, plan, again = FakeBus(), Counting(), Counting()
    await first_life(bus, monkeypatch, path)
    plan.answers["p7"] = RuntimeError("as the test wants it")
    async with running(bus, monkeypatch, plan, ask=plan.ask, state_file=path):
        bus.write(PODS, "p7", number=8)
        bus.write(PODS, "p9", number=9)
        await eventually(lambda: plan.asked.count("p7") > 2, what="it is tried")
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path):
        await eventually(lambda: bus.acked == bus.rv, what="both are done")
        assert sorted(again.asked) == ["p7", "p9"]


async def test_a_copy_of_another_stream_is_not_believed(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    other = FakeBus()
    for number in range(MANY + 10):
        other.write(PODS, f"q{number}", number=1)
    other.begun, other.acked = 1, MANY + 2
    async with running(other, monkeypatch, again, ask=again.ask, state_file=path) as agent:
        await idle(agent)
        assert other.lists > 0
        assert agent.informer(PODS).get("default", "p1") is None
        assert again.pods is not None
        assert len(again.pods) == MANY + 10
    lists = other.lists
    other.write(PODS, "q1", number=2)
    later = Counting()
    async with running(other, monkeypatch, later, ask=later.ask, state_file=path):
        await eventually(lambda: "q1" in later.asked, what="what was missed is done")
        assert other.lists == lists + 1, "nothing was heard behind the snapshot, so it cannot be told whose it is"


async def test_a_copy_behind_what_the_stream_keeps_is_not_believed(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    lists = bus.lists
    for number in range(20):
        bus.write(PODS, f"n{number}", number=1)
    bus.acked = bus.first = MANY + 15
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path) as agent:
        await idle(agent)
        assert bus.lists == lists + 1
        assert len(agent.informer(PODS)) == MANY + 21


async def test_who_watches_something_else_than_before_asks_for_everything(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Plan(PODS, CONFIGMAPS)
    await first_life(bus, monkeypatch, path)
    bus.write(CONFIGMAPS, "c")
    lists = bus.lists
    async with running(bus, monkeypatch, again, state_file=path) as agent:
        await idle(agent)
        assert bus.lists == lists + 2
        assert len(agent.informer(CONFIGMAPS)) == 1


async def test_a_lost_cursor_asks_for_everything(monkeypatch: Patch, path: Path) -> None:
    bus, again = FakeBus(), Counting()
    await first_life(bus, monkeypatch, path)
    lists = bus.lists
    bus.lost = True
    async with running(bus, monkeypatch, again, ask=again.ask, state_file=path) as agent:
        await idle(agent)
        assert bus.lists == lists + 1
        assert len(set(again.asked)) == MANY + 1


async def test_what_a_secret_holds_is_never_in_the_file(monkeypatch: Patch, path: Path) -> None:
    bus = FakeBus()
    bus.write(SECRETS, "listed", data="in-the-clear")
    bus.objects["secrets", "default", "listed"]["metadata"]["annotations"] = {"applied": "in-the-clear"}

    def ask(agent: Agent) -> None:
        agent.informer(SECRETS, metadata_only=True)

    async with running(bus, monkeypatch, ask=ask, state_file=path) as agent:
        await eventually(lambda: agent.ready, what="it follows")
        bus.write(SECRETS, "heard", data="in-the-clear")
        await eventually(lambda: bus.acked == bus.rv, what="the change is acknowledged")
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"listed" in written
    assert b"heard" in written
    assert b"in-the-clear" not in written


def test_whole_secrets_are_refused_a_file(path: Path) -> None:
    watching = Watching()
    watching.informer(SECRETS)
    with pytest.raises(ValueError, match="metadata"):
        Memory(path, watching).open()
    assert not path.exists()
