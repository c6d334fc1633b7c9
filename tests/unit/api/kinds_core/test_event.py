from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds.event import NEW_RULES, RULES
from tests.unit.api.kinds_core.objects import an_object
from tests.unit.api.kinds_workloads.objects import NOW, told

SEEN = "2026-01-02T11:59:00Z"
EARLIER = "2026-01-02T11:00:00Z"


def an_event(**fields: Any) -> dict[str, Any]:
    about = {"kind": "Pod", "name": "web-1", "namespace": "default", "uid": "u", "fieldPath": "spec.containers{a}"}
    base = {"involvedObject": about, "reason": "Started", "type": "Normal", "message": " It runs. \n"}
    return an_object("web-1.1", **{**base, **fields})


def a_new_event(**fields: Any) -> dict[str, Any]:
    base = {
        "regarding": {"kind": "Pod", "name": "web-1", "namespace": "default"},
        "eventTime": "2026-01-02T11:59:00.000000Z",
        "reason": "Started",
        "action": "Start",
        "type": "Normal",
        "note": "It runs.",
        "reportingController": "example.com/a",
        "reportingInstance": "a-1",
    }
    return an_object("web-1.1", **{**base, **fields})


def wrong(made: dict[str, Any]) -> list[str]:
    """All that is said of a new Event of events.k8s.io/v1."""
    return told(NEW_RULES.validate(made) + NEW_RULES.validate_create(made))


@pytest.mark.parametrize(
    ("namespace", "about", "good"),
    [
        ("default", "default", True),
        ("default", "", True),
        ("team", "team", True),
        ("team", "", False),
        ("a", "b", False),
    ],
)
def test_an_event_lives_where_its_object_lives(namespace: str, about: str, good: bool) -> None:
    made = an_event(involvedObject={"namespace": about})
    made["metadata"]["namespace"] = namespace
    expected = f'involvedObject.namespace: Invalid value: "{about}": does not match event.namespace'
    assert told(RULES.validate(made)) == ([] if good else [expected])


def test_an_event_with_a_time_says_who_saw_what() -> None:
    assert told(RULES.validate(an_event(eventTime=SEEN, reason="", message="x" * 1025))) == [
        "reportingController: Required value",
        'reportingController: Invalid value: "": name part must be non-empty',
        (
            "reportingController: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or "
            "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
            "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ),
        "reportingInstance: Required value",
        "action: Required value",
        "reason: Required value",
        'message: Invalid value: "": can have at most 1024 characters',
    ]


def test_old_reporters_may_send_what_new_ones_may_not() -> None:
    old = {"deprecatedCount": 2, "deprecatedFirstTimestamp": SEEN, "deprecatedSource": {"component": "x"}}
    assert wrong(a_new_event()) == []
    assert wrong(a_new_event(**old, type="Odd")) == [
        'type: Invalid value: "": has invalid value: Odd',
        'firstTimestamp: Invalid value: "": needs to be unset',
        'count: Invalid value: "": needs to be unset',
        'source: Invalid value: "": needs to be unset',
    ]
    assert wrong(a_new_event(eventTime=None))[-1] == "eventTime: Required value"
    assert told(RULES.validate(an_event(count=2, firstTimestamp=SEEN, type="Odd"))) == []
    assert RULES.validate_create(an_event()) == []


def test_of_a_new_event_the_series_alone_changes() -> None:
    old = a_new_event()
    new = copy.deepcopy(old)
    new["series"] = {"count": 2, "lastObservedTime": SEEN}
    assert NEW_RULES.validate_update(new, old) == []
    new["series"] = {"count": 1}
    new["note"] = "It ran."
    new["reportingController"] = "b"
    assert told(NEW_RULES.validate_update(new, old)) == [
        'series.count: Invalid value: "": should be at least 2',
        "series.lastObservedTime: Required value",
        'message: Invalid value: "It ran.": field is immutable',
        'reportingController: Invalid value: "b": field is immutable',
    ]
    assert RULES.validate_update(an_event(message="other"), an_event()) == []


def test_events_are_selected_by_the_names_of_both_versions() -> None:
    for made in (an_event(reportingComponent="c"), a_new_event(reportingController="c")):
        fields = RULES.selectable_fields(made)
        assert fields.keys() >= RULES.field_names | NEW_RULES.field_names
        assert fields["involvedObject.name"] == fields["regarding.name"] == "web-1"
        assert fields["reportingComponent"] == fields["source"] == "c"
    assert RULES.selectable_fields(an_event(source={"component": "s"}))["source"] == "s"
    assert "regarding.name" not in RULES.field_names


@pytest.mark.parametrize(
    ("fields", "last", "first", "count"),
    [
        ({"firstTimestamp": EARLIER, "lastTimestamp": SEEN, "count": 3}, "60s", "60m", 3),
        ({"firstTimestamp": EARLIER}, "60m", "60m", 1),
        ({"eventTime": EARLIER, "series": {"count": 7, "lastObservedTime": SEEN}}, "60s", "60m", 7),
        ({}, "<unknown>", "<unknown>", 1),
    ],
)
def test_an_events_row_says_when_and_how_often(fields: dict[str, Any], last: str, first: str, count: int) -> None:
    assert RULES.row is not None
    assert RULES.row(an_event(**fields, source={"component": "kubelet", "host": "n"}), NOW) == (
        last, "Normal", "Started", "pod/web-1", "spec.containers{a}", "kubelet, n", "It runs.", first, count, "web-1.1",
    )  # fmt: skip


def test_a_new_events_row_is_the_same() -> None:
    assert NEW_RULES.row is not None
    cells = NEW_RULES.row(a_new_event(), NOW)
    assert cells[:7] == ("60s", "Normal", "Started", "pod/web-1", "", "example.com/a, a-1", "It runs.")
    assert NEW_RULES.columns == RULES.columns
