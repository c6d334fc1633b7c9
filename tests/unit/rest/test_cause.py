"""The cause that a command names: kept where it is of the one form, left out otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apiserver.authn.user import known
from apiserver.rest.cause import Cause, read
from apiserver.rest.records import Actor

HEARD = "2026-05-01T12:00:00.000250Z"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12", Cause(12)),
        (f"12;heard={HEARD}", Cause(12, HEARD)),
        ("", None),
        ("0", None),
        ("012", None),
        ("-1", None),
        ("１２", None),
        ("9" * 20, None),
        ("12;heard=", None),
        ("12;heard=2026-05-01T12:00:00Z", None),
        (f"12;heard={HEARD};more", None),
        (f"12;heard={HEARD}\r\nBackbeat-Actor: root", None),
        ("12,13", None),
    ],
)
def test_only_the_one_form_is_a_cause(text: str, found: Cause | None) -> None:
    assert read(text) == found


def test_the_headers_of_a_change_tell_who_when_and_why() -> None:
    received = datetime(2026, 5, 1, 12, 0, 0, 100, tzinfo=UTC)
    committed = datetime(2026, 5, 1, 12, 0, 0, 900, tzinfo=UTC)
    plain = Actor(known("ann"), received)
    assert dict(plain.headers(committed)) == {
        "Backbeat-Actor": "ann",
        "Backbeat-Received": "2026-05-01T12:00:00.000100Z",
        "Backbeat-Time": "2026-05-01T12:00:00.000900Z",
    }
    reacting = Actor(known("ann"), received, cause=Cause(12, HEARD), traceparent="t")
    assert dict(reacting.headers(committed)) == {
        **dict(plain.headers(committed)),
        "Backbeat-Cause": "12",
        "Backbeat-Heard": HEARD,
        "traceparent": "t",
    }
