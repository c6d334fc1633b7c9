"""The checker finds what it is there to find: each test spoils a sound run in one way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from tests.faults.changes import Change, placed
from tests.faults.checker import counted, lives, numbers, recorded, watched, written
from tests.faults.cluster import Message, Record
from tests.faults.history import History, Kind, Listing, Outcome, Read, Write
from tests.faults.order import listings, ordered, registers
from tests.faults.watching import Watching


def message(number: int, kind: Kind, name: str, value: str, **data: str) -> Message:
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": str(number)}
    body = orjson.dumps({"type": kind, "object": {"metadata": metadata, "data": {"v": value, **data}}})
    return Message(number, f"changes.core.configmaps.default.{name}", body)


class Run:
    """Three writes of one object, then its deletion, one after the other, and a sound stream and record of them."""

    def __init__(self) -> None:
        self.messages = [
            message(1, "ADDED", "a", "w-0"),
            message(2, "MODIFIED", "a", "w-1"),
            message(3, "MODIFIED", "a", "w-2"),
            message(4, "DELETED", "a", "w-2"),
            message(5, "ADDED", "b", "w-4"),
        ]
        kinds: list[Kind] = ["ADDED", "MODIFIED", "MODIFIED", "DELETED", "ADDED"]
        self.history = History(
            [
                Write(
                    m.subject.rpartition(".")[2], kind, f"w-{n}", n if 0 < n < 4 else 0, n * 10.0, n * 10.0 + 5,
                    Outcome.ACKNOWLEDGED, 0 if kind == "DELETED" else m.number, Change.of(m).raw,
                )
                for n, (m, kind) in enumerate(zip(self.messages, kinds, strict=True))
            ]
        )  # fmt: skip
        self.history.writes[3] = replace(self.history.writes[3], answer=b"")
        last = self.changes[-1]
        self.record = Record(5, {last.place: (5, last.raw)}, self.messages)
        self.watching = Watching("", [], after=0, frames=[(m.number, m.body) for m in self.messages])

    @property
    def changes(self) -> list[Change]:
        return [Change.of(m) for m in self.messages]

    def wrong(self) -> list[str]:
        changes = self.changes
        placings = placed(changes, self.history)
        return [
            *numbers(changes, first=1),
            *lives(changes),
            *recorded(changes, self.record),
            *written(changes, placings),
            *ordered(placings),
            *registers(changes, placings, self.history),
            *listings(changes, placings, self.history),
            *watched(changes, self.watching),
        ]

    def change_write(self, n: int, **changed: Any) -> None:
        self.history.writes[n] = replace(self.history.writes[n], **changed)


@pytest.fixture
def run() -> Run:
    made = Run()
    assert made.wrong() == []
    return made


def test_a_gap_in_the_stream_is_found(run: Run) -> None:
    del run.messages[1]
    assert "message 3 stands where 2 belongs" in run.wrong()


def test_a_message_under_another_number_is_found(run: Run) -> None:
    run.messages[1] = replace(run.messages[1], number=3)
    assert run.wrong()


def test_a_message_that_was_published_twice_is_found(run: Run) -> None:
    run.messages.append(replace(message(6, "MODIFIED", "b", "w-4")))
    assert any("is [5, 6]" in told for told in run.wrong())


def test_a_lost_acknowledged_write_is_found(run: Run) -> None:
    run.history.writes.append(Write("c", "ADDED", "w-9", 0, 90, 91, Outcome.ACKNOWLEDGED, 6, b"{}"))
    assert any("ADDED c w-9, acknowledged 6" in told for told in run.wrong())


def test_a_lost_acknowledged_deletion_is_found(run: Run) -> None:
    run.history.writes.append(Write("b", "DELETED", "w-9", 5, 90, 91, Outcome.ACKNOWLEDGED))
    assert any("DELETED b w-9" in told for told in run.wrong())


def test_a_refused_write_that_happened_is_found(run: Run) -> None:
    run.change_write(2, outcome=Outcome.REFUSED, rv=0, why="503")
    assert any("refused" in told for told in run.wrong())


def test_a_refused_deletion_that_happened_is_found(run: Run) -> None:
    run.change_write(3, outcome=Outcome.REFUSED)
    assert any("DELETED a w-3, refused" in told for told in run.wrong())


@pytest.mark.parametrize("write", [2, 3])
def test_a_write_of_unknown_outcome_may_be_there(run: Run, write: int) -> None:
    run.change_write(write, outcome=Outcome.UNKNOWN, rv=0)
    assert run.wrong() == []


def test_other_bytes_than_the_answer_are_found(run: Run) -> None:
    run.change_write(1, answer=b"{}")
    assert any("other bytes" in told for told in run.wrong())


def test_a_record_that_is_not_the_last_change_is_found(run: Run) -> None:
    run.record = replace(run.record, objects={("/configmaps", "default/b"): (5, b"{}")})
    assert any("what its last change ADDED 5 made" in told for told in run.wrong())


def test_an_object_in_the_record_that_was_never_published_is_found(run: Run) -> None:
    run.record = replace(run.record, objects={**run.record.objects, ("/configmaps", "default/z"): (5, b"{}")})
    assert any("default/z" in told for told in run.wrong())


def test_an_outbox_that_differs_from_the_stream_is_found(run: Run) -> None:
    run.record = replace(run.record, outbox=[message(3, "MODIFIED", "a", "w-8")])
    assert "entry 3 of the outbox differs from the message" in run.wrong()


def test_numbers_against_time_are_found(run: Run) -> None:
    run.change_write(0, started=21.0, ended=22.0)
    assert any("w-1" in told or "w-2" in told or "w-0" in told for told in run.wrong())


def test_a_stale_read_is_found(run: Run) -> None:
    run.history.reads.append(Read("a", 16, 17, 1))
    assert "a GET of a that found 1 began after 2 had been answered" in run.wrong()


def test_a_read_of_nothing_while_there_was_an_object_is_found(run: Run) -> None:
    run.history.reads.append(Read("b", 46, 47, 0))
    assert "a GET of b that found nothing began after 5 had been answered" in run.wrong()


def test_a_read_of_what_nobody_had_written_yet_is_found(run: Run) -> None:
    run.history.reads.append(Read("a", 6, 7, 3))
    assert "a GET of a that found 3 ended before anybody had written 3" in run.wrong()


def test_reads_that_overlap_a_write_may_show_either_version(run: Run) -> None:
    run.history.reads += [Read("a", 11, 12, 1), Read("a", 13, 14, 2), Read("a", 36, 37, 0), Read("b", 1, 2, 0)]
    assert run.wrong() == []


def test_reads_that_go_back_in_time_are_found(run: Run) -> None:
    run.history.reads += [Read("a", 11, 12, 2), Read("a", 13, 14, 1)]
    assert run.wrong() == ["a GET of a that found 1 began after 2 had been answered"]


@pytest.mark.parametrize(
    ("started", "rv", "objects", "told"),
    [
        (16, 2, {"a": 2}, ""),
        (11, 1, {"a": 1}, ""),
        (46, 5, {"b": 5}, ""),
        (16, 1, {"a": 1}, "a LIST at 1 began after 2 had been answered"),
        (46, 5, {"a": 3, "b": 5}, "a LIST at 5 differs from the state at 5: [('a', 3)]"),
        (46, 5, {}, "a LIST at 5 differs from the state at 5: [('b', 5)]"),
    ],
)
def test_lists_are_held_against_the_stream(
    run: Run, started: float, rv: int, objects: dict[str, int], told: str
) -> None:
    run.history.listings.append(Listing(started, started + 1, rv, objects))
    assert run.wrong() == ([told] if told else [])


def test_a_lost_addition_is_found() -> None:
    counts = [message(n, "MODIFIED", "counter", f"c-{n}", n=count) for n, count in enumerate("1223", start=1)]
    assert list(counted([Change.of(m) for m in counts])) == ["change 3 counts 2 after 2"]


@pytest.mark.parametrize("spoil", ["skip", "twice", "order", "bytes"])
def test_a_watcher_that_saw_something_else_than_the_stream_is_found(run: Run, spoil: str) -> None:
    frames = run.watching.frames
    match spoil:
        case "skip":
            del frames[2]
        case "twice":
            frames.insert(2, frames[1])
        case "order":
            frames[1], frames[2] = frames[2], frames[1]
        case _:
            frames[1] = (2, b"{}")
    assert any("a watcher saw" in told for told in run.wrong())
