"""The delivery contract of agents: nothing acknowledged before it is done, nothing lost, one key at a time."""

from __future__ import annotations

import asyncio

import pytest

from agents.client import runtime, watching
from agents.client.controller import in_turn
from agents.client.informer import Informer
from agents.client.outcome import Failed, GiveUp, RetryAfter, of_error
from agents.client.resources import CONFIGMAPS, EVENTS, LEASES, NODES, PODS, SECRETS
from agents.client.transport import ApiUnavailable
from apiserver.api import status
from tests.conftest import eventually
from tests.unit.agents.client.fake_bus import FakeBus, Plan, running

Patch = pytest.MonkeyPatch


async def idle(agent: runtime.Agent) -> None:
    await eventually(lambda: agent.ready and agent.idle, what="the agent is idle")


async def test_a_first_start_looks_at_everything(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    for n in range(5):
        bus.write(PODS, f"p{n}")
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        assert sorted(plan.asked) == [f"p{n}" for n in range(5)]
        assert bus.begun == 5
        assert agent.cursor == 5


async def test_a_change_is_acknowledged_only_when_its_key_is_done(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.gates["a"] = asyncio.Event()
        first = bus.write(PODS, "a")
        last = bus.write(PODS, "b")
        await eventually(lambda: plan.asked == ["a", "b"], what="both are looked at")
        await asyncio.sleep(0.05)
        assert bus.acked == 0
        plan.gates["a"].set()
        await eventually(lambda: bus.acked == last, what="both are acknowledged")
        assert first < last


async def test_after_a_crash_exactly_what_was_not_done_comes_again_first(monkeypatch: Patch) -> None:
    monkeypatch.setattr(runtime, "BACKGROUND_KEYS_PER_SECOND", 0.01)
    bus, plan = FakeBus(), Plan(PODS)
    for n in range(50):
        bus.write(PODS, f"p{n}")
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        bus.write(PODS, "done")
        await eventually(lambda: bus.acked == 51, what="the first change is acknowledged")
        plan.gates["hangs"] = asyncio.Event()
        bus.write(PODS, "hangs")
        bus.write(PODS, "behind")
        await eventually(lambda: plan.asked[-2:] == ["hangs", "behind"], what="both are looked at")
    again = Plan(PODS)
    async with running(bus, monkeypatch, again) as agent:
        await eventually(lambda: bus.acked == 53, what="all is acknowledged")
        assert sorted(again.asked) == ["behind", "hangs"]


async def test_a_first_start_that_did_not_finish_is_begun_again(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    for name in ("a", "b"):
        bus.write(PODS, name)
    plan.gates["b"] = asyncio.Event()
    async with running(bus, monkeypatch, plan):
        await eventually(lambda: plan.asked == ["a", "b"], what="both are looked at")
        bus.write(PODS, "c")
        await eventually(lambda: plan.asked[-1] == "c", what="the change is looked at")
        await asyncio.sleep(0.05)
        assert bus.acked == 0
    again = Plan(PODS)
    async with running(bus, monkeypatch, again) as agent:
        await idle(agent)
        assert set(again.asked) == {"a", "b", "c"}


async def test_everything_else_is_checked_in_the_background_after_a_restart(monkeypatch: Patch) -> None:
    monkeypatch.setattr(runtime, "BACKGROUND_KEYS_PER_SECOND", 1000.0)
    bus = FakeBus()
    for n in range(20):
        bus.write(PODS, f"p{n}")
    async with running(bus, monkeypatch, Plan(PODS)) as agent:
        await idle(agent)
        bus.write(PODS, "x")
        await eventually(lambda: bus.acked == 21, what="the change is acknowledged")
    again = Plan(PODS)
    async with running(bus, monkeypatch, again):
        await eventually(lambda: len(again.asked) == 21, what="all are looked at")


async def test_the_background_check_takes_turns_between_controllers() -> None:
    key = runtime.Key("", "k")
    works = [(0, key)] * 3 + [(1, key)] * 2 + [(2, key)]
    assert [number for number, _ in in_turn(works)] == [0, 1, 2, 0, 1, 0]


async def test_one_key_is_never_worked_on_twice_at_once(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        for _ in range(200):
            bus.write(PODS, "a")
            await asyncio.sleep(0)
        await idle(agent)
        assert plan.most_at_once == 1
        await eventually(lambda: bus.acked == 200, what="all is acknowledged")


async def test_a_failed_key_holds_its_change_until_a_try_succeeds(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.answers["a"] = status.Conflict("changed")
        bus.write(PODS, "a")
        await eventually(lambda: plan.asked.count("a") >= 3, what="it is tried again")
        assert bus.acked == 0
        del plan.answers["a"]
        await eventually(lambda: bus.acked == 1, what="the change is acknowledged")


async def test_a_poisoned_key_does_not_hold_the_cursor_for_ever_and_is_tried_on(monkeypatch: Patch) -> None:
    monkeypatch.setattr(runtime, "HELD_TRIES", 3)
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.answers["a"] = ValueError("a bug")
        bus.write(PODS, "a")
        await eventually(lambda: bus.acked == 1, what="the cursor moves on")
        assert plan.asked.count("a") == 3
        await eventually(lambda: plan.asked.count("a") > 4, what="it is tried on")
        bus.write(PODS, "a")
        await eventually(lambda: bus.acked == 2, what="later changes of it do not hold the cursor either")
        del plan.answers["a"]
        await eventually(lambda: not agent._tries, what="it is done")


@pytest.mark.parametrize("error", [ApiUnavailable("away"), status.ServerTimeout("unknown"), status.Timeout("late")])
async def test_tries_that_nobody_answered_do_not_count(monkeypatch: Patch, error: status.StatusError) -> None:
    monkeypatch.setattr(runtime, "HELD_TRIES", 2)
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.answers["a"] = error
        bus.write(PODS, "a")
        await eventually(lambda: plan.asked.count("a") >= 5, what="it is tried many times")
        assert bus.acked == 0
        del plan.answers["a"]
        await eventually(lambda: bus.acked == 1, what="the change is acknowledged")


async def test_giving_up_and_waiting_acknowledge(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.answers["a"] = GiveUp("invalid")
        plan.answers["b"] = RetryAfter(0.02, "later")
        bus.write(PODS, "a")
        bus.write(PODS, "b")
        await eventually(lambda: bus.acked == 2, what="both are acknowledged")
        await eventually(lambda: plan.asked.count("b") >= 3, what="one is looked at again")
        assert plan.asked.count("a") == 1


async def test_a_lost_cursor_makes_everything_dirty_and_moves_on(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    for n in range(3):
        bus.write(PODS, f"p{n}")
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.asked.clear()
        bus.lost = True
        bus.write(PODS, "p1", gone=True)
        await eventually(lambda: set(plan.asked) == {"p0", "p1", "p2"}, what="all are looked at, also what went")
        bus.write(PODS, "new")
        await eventually(lambda: bus.acked == 5, what="changes are acknowledged again")


async def test_a_stream_that_is_behind_the_record_is_waited_for_without_listing_again(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(stuck_at=0), Plan(PODS)
    for n in range(3):
        bus.write(PODS, f"p{n}")
    async with running(bus, monkeypatch, plan) as agent:
        await eventually(lambda: len(plan.asked) == 3, what="what is there is looked at")
        assert not agent.ready
        assert agent.reason == "the stream is behind the record"
        await asyncio.sleep(0.1)
        assert bus.lists == 1
        bus.catch_up()
        await idle(agent)
        bus.write(PODS, "x")
        await eventually(lambda: bus.acked == 4, what="the change is acknowledged")


async def test_an_interrupted_subscription_redelivers_without_doing_work_twice_that_is_in_hand(
    monkeypatch: Patch,
) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        plan.gates["a"] = asyncio.Event()
        bus.write(PODS, "a")
        bus.write(PODS, "b")
        await eventually(lambda: plan.asked == ["a", "b"], what="both are looked at")
        assert agent._ledger.pending == 1
        for change in bus.changes:
            agent._hear(change)
        assert agent._ledger.pending == 1
        assert len(agent._queue) == 0
        plan.gates["a"].set()
        await eventually(lambda: bus.acked == 2, what="all is acknowledged")


async def test_messages_that_are_no_changes_and_objects_that_confuse_a_controller_hold_nobody(
    monkeypatch: Patch,
) -> None:
    bus, plan = FakeBus(), Plan(PODS)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        bus.publish("changes.core.pods.default.x", b"nonsense")
        bus.write(PODS, "confusing")
        bus.write(PODS, "a")
        await eventually(lambda: bus.acked == 3, what="all is acknowledged")
        assert plan.asked == ["a"]


async def test_with_many_resources_one_filter_takes_all_and_what_concerns_nobody_is_acknowledged(
    monkeypatch: Patch,
) -> None:
    monkeypatch.setattr(watching, "MANY_FILTERS", 2)
    bus, plan = FakeBus(), Plan(PODS, NODES, CONFIGMAPS, LEASES)
    async with running(bus, monkeypatch, plan) as agent:
        await idle(agent)
        assert agent.selection().filters() == ["changes.>"]
        bus.write(EVENTS, "e")
        await eventually(lambda: bus.acked == 1, what="it is acknowledged")
        assert plan.asked == []


async def test_of_resources_that_only_ownership_matters_of_no_content_is_kept(monkeypatch: Patch) -> None:
    bus, plan = FakeBus(), Plan()
    bus.write(SECRETS, "s", password="x")
    bus.write(CONFIGMAPS, "c", key="x")
    copies: list[Informer] = []

    def ask(agent: runtime.Agent) -> None:
        copies.append(agent.informer(SECRETS, metadata_only=True))
        copies.append(agent.informer(CONFIGMAPS, metadata_only=True))
        assert agent.informer(CONFIGMAPS) is copies[1]
        assert agent.informer(CONFIGMAPS, metadata_only=True) is copies[1]

    async with running(bus, monkeypatch, plan, ask=ask) as agent:
        await idle(agent)
        bus.write(SECRETS, "s2", password="x")
        await eventually(lambda: len(copies[0]) == 2, what="the change is heard")
    assert [list(o) for o in copies[0].list()] == [["apiVersion", "kind", "metadata"]] * 2
    assert "spec" in next(copies[1].list())


def test_errors_say_whether_to_try_again() -> None:
    assert of_error(status.Invalid("no")) == GiveUp("no")
    assert of_error(status.Conflict("changed")) == Failed("changed")
    assert of_error(ApiUnavailable("away")) == Failed("away", outage=True)
    assert of_error(KeyError("spec")) == Failed("KeyError: 'spec'")
