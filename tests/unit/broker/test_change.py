"""What a change tells of itself, without its body being parsed."""

from __future__ import annotations

import pytest

from broker import subjects
from broker.change import BadFrame, Change, Key, frame


def test_a_change_is_of_an_object() -> None:
    subject = subjects.subject_for("apps", "deployments", "web", "a.b")
    change = Change(7, subject, frame("ADDED", b'{"kind":"Deployment"}'))
    assert change.key == Key("apps", "deployments", "web", "a.b")
    assert (str(change.key), change.type, change.object()) == (
        "deployments.apps/web/a.b", "ADDED", {"kind": "Deployment"},
    )  # fmt: skip


def test_a_pod_is_the_same_object_on_whatever_node() -> None:
    keys = {
        Change(1, subjects.subject_for("", "pods", "web", "a", node=node), b"").key for node in ("", "node-1", "node-2")
    }
    assert [str(key) for key in keys] == ["pods/web/a"]
    assert str(Change(1, subjects.subject_for("", "nodes", "", "n1"), b"").key) == "nodes/n1"


def test_headers_tell_who_and_when() -> None:
    headers = {"Backbeat-Actor": "j%C3%BCrgen", "Backbeat-Time": "2026-05-01T12:00:00.000001Z"}
    change = Change(1, "changes.x", b"", headers)
    assert (change.actor, change.time) == ("jürgen", "2026-05-01T12:00:00.000001Z")
    assert (Change(1, "changes.x", b"").actor, Change(1, "changes.x", b"").time) == ("", "")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"object":{}}', b'{"type":"ADDED"}'])
def test_what_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(BadFrame):
        _ = Change(1, "changes.x", body).type
