"""Commands name the change that they are a reaction to, and only that one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from agents.client.cause import Cause, because, current
from agents.client.outcome import Failed, Outcome, RetryAfter
from agents.client.resources import PODS
from agents.client.runtime import Key
from apiserver.rest import cause as read_by_the_server
from tests.conftest import eventually
from tests.unit.agents.client.fake_bus import FakeBus, Plan, running


class Telling(Plan):
    """Notes why it is asked."""

    def __init__(self) -> None:
        super().__init__(PODS)
        self.reasons: list[tuple[str, int | None]] = []

    async def reconcile(self, key: Key) -> Outcome:
        why = current()
        self.reasons.append((key.name, why.rv if why is not None else None))
        return await super().reconcile(key)


def test_the_server_reads_what_the_agent_says() -> None:
    cause = Cause(12, datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC))
    assert str(cause) == "12;heard=2026-05-01T12:00:00.000000Z"
    told = read_by_the_server.read(str(cause))
    assert told == read_by_the_server.Cause(12, "2026-05-01T12:00:00.000000Z")


async def test_a_cause_holds_within_its_block_and_for_what_is_begun_there() -> None:
    seen: list[Cause | None] = []

    async def look() -> None:
        seen.append(current())

    one = Cause.now(1)
    with because(one):
        task = asyncio.create_task(look())
        with because(None):
            assert current() is None
        assert current() == one
    assert current() is None
    await task
    assert seen == [one]


async def test_a_key_is_reconciled_because_of_the_change_that_made_it_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, plan = FakeBus(), Telling()
    bus.write(PODS, "before")
    async with running(bus, monkeypatch, plan) as agent:
        await eventually(lambda: agent.ready and agent.idle, what="the agent is idle")
        first, second = bus.write(PODS, "a"), bus.write(PODS, "b")
        await eventually(lambda: len(plan.reasons) == 3, what="all are looked at")
    # What a snapshot showed is nobody's change.
    assert plan.reasons == [("before", None), ("a", first), ("b", second)]


@pytest.mark.parametrize(("answer", "again"), [(Failed("no"), True), (RetryAfter(0.01, "later"), False)])
async def test_another_try_is_still_because_of_it_a_later_look_is_not(
    monkeypatch: pytest.MonkeyPatch, answer: Any, *, again: bool
) -> None:
    bus, plan = FakeBus(), Telling()
    async with running(bus, monkeypatch, plan) as agent:
        await eventually(lambda: agent.ready and agent.idle, what="the agent is idle")
        plan.answers["a"] = answer
        rv = bus.write(PODS, "a")
        await eventually(lambda: len(plan.reasons) >= 2, what="it is looked at twice")
    assert plan.reasons[:2] == [("a", rv), ("a", rv if again else None)]


async def test_of_several_changes_the_first_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    bus, plan = FakeBus(), Telling()
    async with running(bus, monkeypatch, plan) as agent:
        await eventually(lambda: agent.ready and agent.idle, what="the agent is idle")
        plan.gates["a"] = asyncio.Event()
        began = bus.write(PODS, "a")
        await eventually(lambda: plan.asked == ["a"], what="it is being looked at")
        waited = bus.write(PODS, "a")
        bus.write(PODS, "a")
        await eventually(lambda: agent._ledger.pending == 3, what="all were heard")
        plan.gates["a"].set()
        await eventually(lambda: len(plan.reasons) == 2, what="it is looked at again")
    assert plan.reasons == [("a", began), ("a", waited)]
