"""Versions of an object as differences, without noise."""

from __future__ import annotations

from typing import Any

from deploy.commands.changes import Told
from deploy.commands.history import Version, difference, versions
from deploy.commands.objects import as_yaml, without_noise
from tests.unit.deploy.commands.told import told


def _version(rv: int, kind: str = "MODIFIED", **spec: Any) -> Told:
    return told(rv, kind, obj={"spec": spec})


def test_each_version_is_compared_with_the_one_before_it() -> None:
    first, second, third = _version(1, "ADDED", replicas=1), _version(2, replicas=2), _version(3, replicas=2)
    found = list(versions([first, second, third]))
    assert [one.before for one in found] == [None, first, second]
    assert difference(found[0]) == ["@@ -0,0 +1,4 @@", "+metadata:", "+  name: web", "+spec:", "+  replicas: 1"]
    assert difference(found[1]) == [
        "@@ -1,4 +1,4 @@",
        " metadata:",
        "   name: web",
        " spec:",
        "-  replicas: 1",
        "+  replicas: 2",
    ]
    assert difference(found[2]) == []


def test_another_life_begins_anew() -> None:
    lives = [_version(1, "ADDED"), _version(2, "DELETED"), _version(5, "ADDED"), _version(6)]
    found = list(versions(lives))
    assert [one.before for one in found] == [None, lives[0], None, lives[2]]
    assert [one.whole for one in found] == [False, False, False, False]


def test_what_replaced_a_version_that_is_not_kept_is_shown_whole() -> None:
    (found,) = versions([_version(9, replicas=3)])
    assert found.whole
    assert difference(found) == [" metadata:", "   name: web", " spec:", "   replicas: 3"]


def test_a_deletion_shows_what_it_changed_before_the_end() -> None:
    gone = told(3, "DELETED", obj={"status": {"phase": "Failed"}})
    (_, found) = versions([told(2, "ADDED"), gone])
    assert difference(found)[-2:] == ["+status:", "+  phase: Failed"]


def test_what_every_write_changes_is_left_out() -> None:
    meta = {
        "name": "web",
        "resourceVersion": "7",
        "managedFields": [{"manager": "kubectl"}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    obj = {"metadata": meta, "spec": {}}
    assert without_noise(obj) == {"metadata": {"name": "web"}, "spec": {}}
    assert obj["metadata"] == meta
    kept = {"metadata": {"annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "{}"}}}
    assert without_noise(kept) == {"metadata": {"annotations": {"a": "b"}}}
    assert without_noise({"message": "foreign"}) == {"message": "foreign"}


def test_text_of_several_lines_is_compared_line_by_line() -> None:
    before = told(1, "ADDED", obj={"data": {"config": "a\nb\nc\n"}})
    after = told(2, obj={"data": {"config": "a\nB\nc\n"}})
    changed = [line for line in difference(Version(after, before)) if line[0] in "+-"]
    assert changed == ["-    b", "+    B"]


def test_yaml_keeps_order_and_what_only_looks_like_something_else() -> None:
    assert as_yaml({"b": "yes", "a": "1", "c": "ü", "d": 1}) == "b: 'yes'\na: '1'\nc: ü\nd: 1\n"
