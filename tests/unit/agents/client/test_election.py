"""One leads at a time, whatever dies, hangs or wakes up late."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agents.client.election import Election, ElectionSettings, LostLeadership
from agents.client.resources import ResourceRef
from agents.client.transport import ApiUnavailable
from apiserver.api import status
from tests.unit.agents.client.clock import ManualClock, settle

Obj = dict[str, Any]


class Leases:
    """A LeaseClient with one lease, and switches for what may go wrong."""

    def __init__(self) -> None:
        self.lease: Obj | None = None
        self.rv = 0
        self.away: set[str] = set()
        self.before_update: Callable[[], Awaitable[None]] | None = None
        self.lose_answers = False

    def client(self, identity: str) -> LeaseClientOf:
        return LeaseClientOf(self, identity)

    @property
    def spec(self) -> Obj:
        assert self.lease is not None
        spec: Obj = self.lease["spec"]
        return spec

    def put(self, obj: Obj) -> Obj:
        self.rv += 1
        self.lease = copy.deepcopy(obj)
        self.lease["metadata"]["resourceVersion"] = str(self.rv)
        return copy.deepcopy(self.lease)


class LeaseClientOf:
    def __init__(self, leases: Leases, identity: str) -> None:
        self._leases = leases
        self._identity = identity

    def _check(self) -> None:
        if self._identity in self._leases.away:
            raise ApiUnavailable("away")

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "") -> Obj:
        self._check()
        if self._leases.lease is None:
            raise status.not_found("leases", ref.group, name)
        return copy.deepcopy(self._leases.lease)

    async def create(self, ref: ResourceRef, obj: Obj, *, namespace: str = "") -> Obj:
        self._check()
        if self._leases.lease is not None:
            raise status.already_exists("leases", ref.group, obj["metadata"]["name"])
        return self._leases.put(obj)

    async def update(self, ref: ResourceRef, obj: Obj) -> Obj:
        self._check()
        if self._leases.before_update is not None:
            await self._leases.before_update()
        if obj["metadata"]["resourceVersion"] != str(self._leases.rv):
            raise status.conflict("leases", ref.group, obj["metadata"]["name"], status.MODIFIED_SINCE)
        made = self._leases.put(obj)
        if self._leases.lose_answers:
            raise ApiUnavailable("the answer was lost")
        return made


class Contest:
    """Candidates that do nothing but lead, and a record of who leads."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.leases = Leases()
        self.elections: dict[str, Election] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.working: set[str] = set()
        self.most = 0

    def stand(self, name: str, *, identity: str = "") -> Election:
        election = Election(
            self.leases.client(name),
            name="l",
            identity=identity or name,
            settings=ElectionSettings(lease_seconds=15, renew_deadline_seconds=10, retry_seconds=2),
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        self.elections[name] = election
        self.tasks[name] = asyncio.create_task(election.lead(lambda: self._work(name)), name=name)
        return election

    async def _work(self, name: str) -> None:
        self.working.add(name)
        self.most = max(self.most, len(self.working))
        try:
            await asyncio.Event().wait()
        finally:
            self.working.discard(name)

    async def end(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def __aenter__(self) -> Contest:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()


async def test_the_first_to_stand_leads_and_goes_on_leading() -> None:
    async with Contest() as c:
        a = c.stand("a")
        await c.clock.advance(0.1)
        c.stand("b")
        await c.clock.advance(120)
        assert c.working == {"a"}
        assert a.sure
        assert c.leases.spec["leaseTransitions"] == 0
        assert c.leases.spec["holderIdentity"] == "a"


async def test_when_the_leader_is_killed_another_leads_after_the_lease_has_run_out() -> None:
    async with Contest() as c:
        c.stand("a")
        await c.clock.advance(0.1)
        b = c.stand("b")
        await c.clock.advance(30)
        c.leases.away = {"a"}
        c.tasks["a"].cancel()
        await c.clock.advance(12)
        assert c.working == set()
        await c.clock.advance(8)
        assert c.working == {"b"}
        assert (b.transitions, c.leases.spec["leaseTransitions"]) == (1, 1)


async def test_an_orderly_end_gives_the_lease_back_at_once() -> None:
    async with Contest() as c:
        c.stand("a")
        await c.clock.advance(0.1)
        c.stand("b")
        await c.clock.advance(5)
        c.tasks["a"].cancel()
        await c.clock.advance(2.1)
        assert c.working == {"b"}


async def test_a_leader_that_cannot_renew_stops_before_anybody_else_begins() -> None:
    async with Contest() as c:
        a = c.stand("a")
        await c.clock.advance(0.1)
        c.stand("b")
        await c.clock.advance(20)
        c.leases.away = {"a"}
        await c.clock.advance(10.5)
        assert c.working == set()
        assert not a.sure
        with pytest.raises(LostLeadership):
            await c.tasks["a"]
        await c.clock.advance(10)
        assert c.working == {"b"}
        assert c.most == 1


async def test_a_short_outage_costs_nobody_the_lead() -> None:
    async with Contest() as c:
        c.stand("a")
        await c.clock.advance(0.1)
        c.stand("b")
        await c.clock.advance(20)
        c.leases.away = {"a", "b"}
        await c.clock.advance(6)
        c.leases.away = set()
        await c.clock.advance(60)
        assert c.working == {"a"}


async def test_a_leader_that_slept_through_its_reign_is_not_sure_of_it_when_it_wakes() -> None:
    async with Contest() as c:
        a = c.stand("a")
        await c.clock.advance(1)
        assert a.sure
        c.clock.time += 300
        assert a.leading
        assert not a.sure


async def test_a_renewal_whose_answer_took_long_counts_from_when_it_was_sent() -> None:
    async with Contest() as c:
        a = c.stand("a")
        await c.clock.advance(0.1)
        slow = asyncio.Event()

        async def wait() -> None:
            await slow.wait()

        c.leases.before_update = wait
        await c.clock.advance(2.0)
        sent = c.clock.time
        await c.clock.advance(7)
        slow.set()
        await settle()
        assert a.sure
        c.clock.time = sent + 10.1
        assert not a.sure
        c.leases.before_update = None


async def test_a_renewal_whose_answer_was_lost_is_tried_again() -> None:
    async with Contest() as c:
        a = c.stand("a")
        await c.clock.advance(3)
        c.leases.lose_answers = True
        await c.clock.advance(4)
        c.leases.lose_answers = False
        await c.clock.advance(30)
        assert a.sure
        assert c.working == {"a"}


async def test_a_process_started_again_under_its_identity_leads_at_once_and_begins_a_new_reign() -> None:
    async with Contest() as c:
        c.stand("a", identity="controllers")
        await c.clock.advance(1)
        c.leases.away = {"a"}
        c.tasks["a"].cancel()
        await settle()
        again = c.stand("a2", identity="controllers")
        await c.clock.advance(0.1)
        assert c.working == {"a2"}
        assert again.transitions == 1


async def test_candidates_that_start_together_do_not_both_lead() -> None:
    async with Contest() as c:
        for name in "abcde":
            c.stand(name)
        await c.clock.advance(60)
        assert len(c.working) == 1
        assert c.most == 1


async def test_work_that_ends_by_itself_ends_the_reign() -> None:
    c = Contest()
    election = Election(c.leases.client("a"), name="l", identity="a", now=c.clock.now, sleep=c.clock.sleep)

    async def work() -> None:
        assert election.sure

    await election.lead(work)
    assert c.leases.spec["holderIdentity"] == ""


async def test_an_error_of_the_work_is_told_and_the_lease_given_back() -> None:
    c = Contest()
    election = Election(c.leases.client("a"), name="l", identity="a", now=c.clock.now, sleep=c.clock.sleep)

    async def work() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await election.lead(work)
    assert c.leases.spec["holderIdentity"] == ""


def test_durations_that_would_let_two_lead_are_refused() -> None:
    with pytest.raises(ValueError, match="renew deadline"):
        ElectionSettings(lease_seconds=10, renew_deadline_seconds=10)
