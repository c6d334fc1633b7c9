"""Tables of objects and of subscribers."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from deploy.commands.discovery import Known
from deploy.commands.lag import Lag, Subscriber, _table
from deploy.commands.output import columns
from deploy.commands.state import Listed, StateOptions, table_rows

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
PODS = Known(
    group="", version="v1", plural="pods", singular="pod", kind="Pod", namespaced=True, verbs=frozenset({"list"})
)
TABLE = {
    "columnDefinitions": [{"name": "Name"}, {"name": "Ready", "priority": 0}, {"name": "Node", "priority": 1}],
    "rows": [
        {"cells": ["web", "1/1", None], "object": {"metadata": {"name": "web", "namespace": "default"}}},
        {"cells": ["db", 2, "node-1"], "object": {"metadata": {"name": "db", "namespace": "default"}}},
    ],
}


def _options(**given: Any) -> StateOptions:
    return StateOptions(**{"at": 5, "resource": "pods", **given})


def test_columns_stand_under_each_other() -> None:
    assert columns([("A", "BB"), ("aaa", "b"), ("", "b")]) == ["A     BB", "aaa   b", "      b"]


def test_a_table_shows_the_columns_of_its_width() -> None:
    listed = Listed(PODS, TABLE)
    assert table_rows(listed, _options(), several=False) == [["NAME", "READY"], ["web", "1/1"], ["db", "2"]]
    assert table_rows(listed, _options(form="wide"), several=False)[1:] == [
        ["web", "1/1", "<none>"], ["db", "2", "node-1"],
    ]  # fmt: skip


def test_namespaces_and_kinds_are_shown_where_several_are_listed() -> None:
    rows = table_rows(Listed(PODS, TABLE), _options(everywhere=True), several=True)
    assert rows[:2] == [["NAMESPACE", "NAME", "READY"], ["default", "pod/web", "1/1"]]


def _subscription(name: str, **status: Any) -> dict[str, Any]:
    ready = [{"type": "Ready", "status": "True"}]
    return {
        "metadata": {"name": name},
        "spec": {"resources": [{"resource": "pods"}], "namespace": "default"},
        "status": {"conditions": ready, **status},
    }


@pytest.mark.parametrize(
    ("status", "seen", "state"),
    [
        ({}, "never", "Ready"),
        ({"connected": True, "lastSeen": "2026-05-01T12:00:00Z"}, "now", "Ready"),
        ({"lastSeen": "2026-05-01T11:50:00Z"}, "10m ago", "Ready"),
        ({"conditions": [{"type": "Expired", "status": "True"}]}, "never", "Expired"),
        ({"conditions": []}, "never", "Pending"),
    ],
)
def test_a_subscriber_tells_when_it_was_seen_and_how_it_is(status: dict[str, Any], seen: str, state: str) -> None:
    one = Subscriber.read(_subscription("a", acknowledged=7, lag=2, **status))
    assert one.cells(NOW) == ("a", "pods in default", "7", "2", seen, state)


def test_a_subscriber_as_json_has_plain_values() -> None:
    document = Subscriber.read(_subscription("a", acknowledged=7, lastSeen="2026-05-01T11:50:00Z")).document()
    assert document == {
        "name": "a",
        "listensTo": "pods in default",
        "acknowledged": 7,
        "lag": 0,
        "lastSeen": "2026-05-01T11:50:00Z",
        "connected": False,
        "state": "Ready",
    }


def test_the_live_table_shows_what_comes_from_users_as_it_is() -> None:
    """A name in brackets is no colour."""
    found = Lag("12", [Subscriber.read(_subscription("[red]x[/]", lag=3))])
    out = io.StringIO()
    Console(file=out, width=120).print(_table(found))
    assert "[red]x[/]" in out.getvalue()
    assert "resourceVersion 12" in out.getvalue()
    out = io.StringIO()
    Console(file=out, width=120).print(_table(found, trouble="the API server is away"))
    assert "the API server is away" in out.getvalue()
