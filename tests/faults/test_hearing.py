"""What a subscriber may not be told is found: each test spoils a sound run in one way."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from broker.selection import Selection
from tests.faults.changes import Change
from tests.faults.cluster import Message
from tests.faults.hearing import Robbery, heard
from tests.faults.subscribing import Acknowledged, Begun, Delivered, Lost, Subscribing, Told


def change(number: int, resource: str = "configmaps") -> Change:
    body = orjson.dumps({"type": "ADDED", "object": {"metadata": {"name": f"n{number}"}, "rv": number}})
    return Change.of(Message(number, f"changes.core.{resource}.default.n{number}", body))


CHANGES = [change(1), change(2, "secrets"), change(3), change(4, "secrets"), change(5), change(6), change(7)]
BODIES = {one.number: one.body for one in CHANGES}


def told(*what: int | str) -> list[Told]:
    """`3` is delivered, `+3` acknowledged, `!3` for sure, `begin` and `lost`; one a second."""
    found: list[Told] = []
    for at, one in enumerate(what):
        match one:
            case int():
                found.append(Delivered(one, BODIES.get(one, b""), at))
            case "begin":
                found.append(Begun())
            case "lost":
                found.append(Lost(3))
            case str():
                found.append(Acknowledged(int(one[1:]), one.startswith("!"), at))
    return found


def wrong(*what: int | str, robbed: list[Robbery] | None = None, after: int = 0) -> list[str]:
    selection = Selection.of([("", "configmaps")])
    return list(heard(CHANGES, Subscribing("s", Path(), selection, after, told=told(*what)), robbed=robbed or []))


@pytest.mark.parametrize(
    "what",
    [
        ("begin", 1, 3, 5, "+5", 6, 7),
        ("begin", 1, 3, "begin", 1, 3, 5, 6, 7),
        ("begin", 1, 3, "+3", "begin", 1, 3, 5, 6, 7),
        ("begin", 1, 3, "!3", "begin", 5, 6, 7),
        ("begin", 1, 3, "!3", 5, 6, 5, 6, 7),
        ("begin", 1, 3, "+1", 5, 3, 5, 6, 7),
    ],
)
def test_a_sound_run_is_sound(what: tuple[int | str, ...]) -> None:
    assert wrong(*what) == []


def test_it_begins_where_it_began() -> None:
    assert wrong("begin", 5, 6, 7, after=4) == []


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (("begin", 1, 5, 6, 7), "s heard 5 after 1, where at most 1 belongs"),
        (("begin", 3, 5, 6, 7), "s heard 3 at its begin, where at most 1 belongs"),
        (("begin", 1, 3, "begin", 5, 6, 7), "s heard 5 at its begin, where at most 1 belongs"),
        (("begin", 1, 3, "+1", 5, "begin", 5, 6, 7), "s heard 5 at its begin, where at most 3 belongs"),
        (("begin", 1, 3, "!3", "begin", 3, 5, 6, 7), "s heard 3 again after 3 was acknowledged for sure"),
        (("begin", 1, 3, 5, "!5", 3, 5, 6, 7), "s heard 3 again after 5 was acknowledged for sure"),
        (("begin", 1, 3, 5, 6), "s heard nothing behind 6, and 7 was selected"),
        (("begin", 1, 3, 5, 7, 6), "s heard 7 after 5, where at most 1 belongs"),
        (("begin", 1, 2, 3, 5, 6, 7), "s heard 2, which it did not select, or which nobody wrote"),
        (("begin", 1, 3, 5, 6, 7, 8), "s heard 8, which it did not select, or which nobody wrote"),
        (("begin", 1, 3, 5, 6, 7, "lost"), "s was told that changes behind 3 are gone"),
        ((), "s heard nothing behind 0, and 7 was selected"),
    ],
)
def test_what_it_may_not_be_told_is_found(what: tuple[int | str, ...], message: str) -> None:
    assert wrong(*what)[0] == message


def test_other_bytes_are_found() -> None:
    spoiled = told("begin", 1, 3, 5, 6, 7)
    spoiled[2] = Delivered(3, b"{}", 2.0)
    selection = Selection.of([("", "configmaps")])
    found = list(heard(CHANGES, Subscribing("s", Path(), selection, 0, told=spoiled)))
    assert found == ["s heard 3 in other bytes than the stream's"]


def test_a_broker_whose_disk_was_robbed_may_repeat_what_was_acknowledged_before_and_not_what_was_since() -> None:
    again = ("begin", 1, 3, "!3", "begin", 1, 3, 5, "!5", 6, 7)
    assert wrong(*again, robbed=[Robbery(3.5)]) == []
    assert wrong(*again[:-1], "begin", 5, 6, 7, robbed=[Robbery(3.5)]) == [
        "s heard 5 again after 5 was acknowledged for sure"
    ]


def test_a_broker_that_was_killed_may_repeat_what_was_acknowledged_in_the_last_moment_before() -> None:
    again = ("begin", 1, "!1", 3, "!3", "begin", 3, 5, 6, 7)
    assert wrong(*again, robbed=[Robbery(4.5, 1.0)]) == []
    assert wrong(*again, robbed=[Robbery(5.5, 1.0)]) == ["s heard 3 again after 3 was acknowledged for sure"]
    assert wrong(*again[:6], 1, *again[6:], robbed=[Robbery(4.5, 1.0)]) == [
        "s heard 1 again after 1 was acknowledged for sure"
    ]
