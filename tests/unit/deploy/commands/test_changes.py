"""Changes are read once and in order, across lost connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agents.client.transport import ApiUnavailable
from apiserver.api.status import Expired, ServiceUnavailable, StatusError
from deploy.commands import changes
from deploy.commands.changes import every, named, query_of, read
from tests.unit.deploy.commands.told import failure, line

Answer = Sequence[bytes | StatusError]


class FakeTransport:
    """Each request is answered with the next of these."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[Any] = []

    async def lines(self, path: str, *, query: Any) -> AsyncIterator[bytes]:
        self.asked.append(dict(query))
        for one in self._answers.pop(0):
            if isinstance(one, StatusError):
                raise one
            yield one


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "FIRST_PAUSE_SECONDS", 0.0)


async def _numbers(transport: FakeTransport, query: Any, *, heard: list[str] | None = None) -> list[int]:
    lost = (heard if heard is not None else []).append
    return [told.rv async for told in every(transport, query, lost=lambda err: lost(err.message))]  # type: ignore[arg-type]


def test_a_query_says_just_what_was_given() -> None:
    assert query_of() == {}
    assert query_of(resources=["pods,deploy", "po/a"], namespace="x", first=0, follow=True) == {
        "resource": ["pods", "deploy", "po/a"],
        "namespace": "x",
        "from": "0",
        "follow": "true",
    }


def test_a_line_is_a_change_with_its_place() -> None:
    told = read(line(7, "ADDED", subject="changes.apps.deployments.default.web", cause=5, heard="h", published="p"))
    assert (told.rv, told.type, told.where, told.actor) == (7, "ADDED", "deployments.apps/default/web", "ann")
    assert (told.cause, told.heard, told.published) == (5, "h", "p")
    assert told.place is not None
    assert named(told.place) == told.where
    node = read(line(8, subject="changes.core.nodes._.node%2E1"))
    assert node.where == "nodes/node.1"


def test_a_foreign_message_is_told_as_one() -> None:
    assert read(line(9, "ERROR", subject="changes.what.is..this")).where == "?"


def test_a_line_that_ends_the_reading_is_the_error_that_it_was() -> None:
    with pytest.raises(Expired, match="too old"):
        read(failure(410, "Expired", "too old"))


async def test_reading_goes_on_behind_the_last_that_came() -> None:
    lost = ApiUnavailable("cut")
    transport = FakeTransport([line(4), line(5), lost], [lost], [line(9), line(12)])
    heard: list[str] = []
    assert await _numbers(transport, {"since": "10m", "to": "12"}, heard=heard) == [4, 5, 9, 12]
    assert transport.asked == [{"since": "10m", "to": "12"}, *[{"to": "12", "from": "6"}] * 2]
    assert heard == ["cut"]


async def test_a_bus_that_is_away_for_a_moment_is_waited_for() -> None:
    away = failure(503, "ServiceUnavailable", "the stream cannot be read")
    transport = FakeTransport([line(4), away], [line(5)])
    assert await _numbers(transport, {}) == [4, 5]


async def test_nothing_is_asked_for_behind_the_end() -> None:
    transport = FakeTransport([line(4), ApiUnavailable("cut")])
    assert await _numbers(transport, {"to": "4"}) == [4]


async def test_who_was_never_there_is_not_waited_for() -> None:
    with pytest.raises(ApiUnavailable):
        await _numbers(FakeTransport([ApiUnavailable("not reachable")]), {"follow": "true"})


async def test_a_reading_that_has_an_end_gives_up_some_time() -> None:
    answers: list[Answer] = [[ApiUnavailable("cut")]] * changes.TRIES
    with pytest.raises(ServiceUnavailable):
        await _numbers(FakeTransport([line(1), ApiUnavailable("cut")], *answers), {})


async def test_one_that_has_none_never_does() -> None:
    answers: list[Answer] = [[ApiUnavailable("cut")]] * (2 * changes.TRIES)
    transport = FakeTransport([line(1), ApiUnavailable("cut")], *answers, [line(2)])
    assert await _numbers(transport, {"follow": "true"}) == [1, 2]


async def test_reactions_cannot_be_taken_up_in_the_middle() -> None:
    with pytest.raises(ApiUnavailable):
        await _numbers(FakeTransport([line(1), ApiUnavailable("cut")]), {"reactions": "true"})
