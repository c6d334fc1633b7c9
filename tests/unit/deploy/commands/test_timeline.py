"""What is told of an object's life."""

from __future__ import annotations

from typing import Any

from deploy.commands.timeline import chapters
from tests.unit.deploy.commands.told import told

AT = "2026-05-01T12:00:00."


def _subscription(name: str, resource: str, *, begun: int = 0, acknowledged: int = 0, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {"resources": [{"resource": resource}], "start": {"from": "Now"}, **spec},
        "status": {"startResourceVersion": str(begun), "acknowledged": acknowledged},
    }


def test_a_change_is_told_from_what_led_to_it_to_what_came_of_it() -> None:
    made = told(
        5, "ADDED", actor="replicasets", cause=4, heard=f"{AT}001000Z",
        received=f"{AT}002000Z", time=f"{AT}003000Z", published=f"{AT}004000Z",
    )  # fmt: skip
    bound = told(7, actor="scheduler", cause=5, heard=f"{AT}005000Z", time=f"{AT}006000Z")
    event = told(
        8, "ADDED", subject="changes.core.events.default.web%2E1", actor="scheduler", cause=5,
        heard=f"{AT}005000Z", time=f"{AT}007000Z",
    )  # fmt: skip
    parent = told(4, subject="changes.apps.replicasets.default.web")
    first, second = chapters([made, bound], [event], {4: parent}, [])
    assert (first.cause, second.cause) == (parent, made)
    assert [(f"{step.moment:%f}", step.what, step.who, step.detail) for step in first.steps] == [
        ("001000", "heard", "replicasets", "of 4"),
        ("002000", "command", "replicasets", ""),
        ("003000", "commit", "", "as 5"),
        ("004000", "published", "", ""),
        ("005000", "heard", "scheduler", ""),
        ("006000", "reaction", "scheduler", "MODIFIED pods/default/web as 7"),
        ("007000", "reaction", "scheduler", "ADDED events/default/web.1 as 8"),
    ]
    assert first.reactions == [bound, event]
    assert second.reactions == []


def test_what_nobody_said_is_left_out() -> None:
    (chapter,) = chapters([told(5, "ADDED", cause=3)], [], {}, [])
    assert chapter.cause is None
    assert [step.what for step in chapter.steps] == ["commit"]


def test_listeners_are_those_that_select_the_change_and_had_begun() -> None:
    change = told(9, subject="changes.core.pods.default.web.node-1", obj={"metadata": {"labels": {"app": "web"}}})
    subscriptions = [
        _subscription("done", "pods", acknowledged=9),
        _subscription("behind", "pods", acknowledged=8),
        _subscription("later", "pods", begun=9),
        _subscription("elsewhere", "pods", namespace="other"),
        _subscription("others", "nodes"),
        _subscription("here", "pods", node="node-1", namespace="default"),
        _subscription("there", "pods", node="node-2"),
        _subscription("labelled", "pods", labelSelector={"matchLabels": {"app": "web"}}),
        _subscription("unlabelled", "pods", labelSelector={"matchLabels": {"app": "db"}}),
        {"metadata": {"name": "all"}, "spec": {"resources": [{"group": "*", "resource": "*"}]}},
    ]
    (chapter,) = chapters([change], [], {}, subscriptions)
    assert [(one.name, one.acknowledged) for one in chapter.listeners] == [
        ("done", True), ("behind", False), ("here", False), ("labelled", False), ("all", False),
    ]  # fmt: skip
