"""What became of commits whose round trip broke: read back, and say only what is proven.

First the broken session is ended at the server (`CLIENT KILL`, unless the server is a new process), so that what it
still holds unread can't run later. Then, for each commit:

    the object is ours, with a number given out since               applied
    the object is still at `expected_rv` (above 0)                  not applied, may be sent again
    the object is at another number from before the sending         not applied: mismatch
    the outbox holds our change                                     applied, and changed again since
    the outbox reaches back to before the sending, without it       not applied: mismatch, or may be sent again
    anything else                                                   unknown

"Not applied" counts only once the session was ended. Takes its time up to a deadline, reconnecting with back-off.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.store.base import Commit, Mismatch, ResourceVersion, Stored
from apiserver.store.keys import Keys, field_of, stored_of
from apiserver.store.outbox import entries_of
from apiserver.store.wire import Refusal, Session, Wire, WireDown, WireLost
from broker.outbox import OutboxEntry

STEP_TIMEOUT_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
PAGE = 256


class Verdict(enum.Enum):
    """What can be said of a commit that neither holds a number nor met another writer's."""

    ABSENT = "it is not there and will not be: it may be sent again"
    UNKNOWN = "it may be there"


Outcome = ResourceVersion | Mismatch | Verdict


@dataclass(frozen=True, slots=True)
class _Question:
    commit: Commit
    floor: int


@dataclass(frozen=True, slots=True)
class _Tail:
    """The outbox after a number. `whole` says that nothing of it is missing up to `last`."""

    entries: Sequence[OutboxEntry]
    after: int
    last: int

    def whole_since(self, floor: int) -> bool:
        if self.last <= floor:
            return self.last == floor
        return any(entry.rv == floor + 1 for entry in self.entries)


class Settler:
    """Reads back over the committer's own wire, which nobody else uses meanwhile."""

    def __init__(self, wire: Wire, *, keys: Keys) -> None:
        self._wire = wire
        self._keys = keys

    async def settle(self, commits: Sequence[tuple[Commit, int]], *, timeout_seconds: float) -> list[Outcome]:
        """One outcome per (commit, floor), in order. Commits must be of a round trip that was lost just now."""
        questions = [_Question(commit, floor) for commit, floor in commits]
        broken = self._wire.session
        pause = FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    try:
                        return await self._read_back(questions, broken)
                    except (WireDown, WireLost):
                        await asyncio.sleep(pause)
                        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        except TimeoutError:
            return [Verdict.UNKNOWN] * len(questions)

    async def _read_back(self, questions: Sequence[_Question], broken: Session | None) -> list[Outcome]:
        await self._wire.connect()
        ended = await self._end(broken)
        answers = await self._ask(
            *[("HGET", self._keys.objects(q.commit.key.resource), field_of(q.commit.key)) for q in questions]
        )
        found = [stored_of(answer) if isinstance(answer, bytes) else None for answer in answers]
        outcomes = [_by_object(q, stored) for q, stored in zip(questions, found, strict=True)]
        open_questions = [q for q, outcome in zip(questions, outcomes, strict=True) if outcome is None]
        if open_questions:
            tail = await self._tail(min(_since(q) for q in open_questions))
            outcomes = [
                _by_outbox(q, stored, tail) if outcome is None else outcome
                for q, stored, outcome in zip(questions, found, outcomes, strict=True)
            ]
        return [_proven(outcome, ended=ended) for outcome in outcomes]

    async def _end(self, broken: Session | None) -> bool:
        """End the broken session at the server. True when it can do nothing any more."""
        current = self._wire.session
        if broken is None or current is None:
            return False
        if current.run_id != broken.run_id or current.client_id == broken.client_id:
            return True
        [answer] = await self._wire.exchange(
            [("CLIENT", "KILL", "ID", broken.client_id)], timeout_seconds=STEP_TIMEOUT_SECONDS
        )
        return not isinstance(answer, Refusal)

    async def _tail(self, after: int) -> _Tail:
        entries: list[OutboxEntry] = []
        while True:
            start = f"({entries[-1].rv if entries else after}-0"
            [page] = await self._ask(("XRANGE", self._keys.outbox, start, "+", "COUNT", PAGE))
            entries += entries_of(page)
            if len(page) < PAGE:
                break
        [last] = await self._ask(("GET", self._keys.rv))
        return _Tail(entries, after, int(last or 0))

    async def _ask(self, *commands: tuple[str | int, ...]) -> list[Any]:
        answers = await self._wire.exchange(commands, timeout_seconds=STEP_TIMEOUT_SECONDS)
        for answer in answers:
            if isinstance(answer, Refusal):
                raise WireDown(f"Redis refused to be read: {answer.message}")
        return answers


def _since(question: _Question) -> int:
    return max(question.floor, question.commit.expected_rv)


def _by_object(question: _Question, stored: Stored | None) -> Outcome | None:
    """What the object alone tells; None where the outbox must be asked."""
    commit = question.commit
    if stored is None:
        return None
    if stored.rv == commit.expected_rv:
        return Verdict.ABSENT
    if stored.rv <= _since(question):
        return Mismatch(stored.rv)  # nothing touched it since before the sending
    ours = commit.head + str(stored.rv).encode() + commit.tail
    return stored.rv if commit.type != "DELETED" and stored.json == ours else None


def _by_outbox(question: _Question, stored: Stored | None, tail: _Tail) -> Outcome:
    commit = question.commit
    for entry in tail.entries:
        if entry.rv > _since(question) and entry.subject == commit.subject and entry.body == body_of(commit, entry.rv):
            return ResourceVersion(entry.rv)
    if not tail.whole_since(_since(question)):
        return Verdict.UNKNOWN
    actual = stored.rv if stored is not None else ResourceVersion(0)
    return Verdict.ABSENT if actual == commit.expected_rv else Mismatch(actual)


def _proven(outcome: Outcome | None, *, ended: bool) -> Outcome:
    if isinstance(outcome, int):
        return outcome
    return outcome if ended and outcome is not None else Verdict.UNKNOWN


def body_of(commit: Commit, rv: int) -> bytes:
    """The change that the commit script writes for this number."""
    return b'{"type":"%b","object":%b%d%b}' % (commit.type.encode(), commit.head, rv, commit.tail)
