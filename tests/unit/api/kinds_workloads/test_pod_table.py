from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.kinds.pod import RULES, status_word
from tests.unit.api.kinds_workloads.objects import NOW, container, pod

RUNNING = {"running": {"startedAt": "2026-01-02T11:59:00Z"}}


def state(kind: str, **fields: Any) -> dict[str, Any]:
    return {"name": "main", "ready": False, "restartCount": 0, "state": {kind: fields}}


def with_status(status: dict[str, Any], *, deleted: bool = False, **spec: Any) -> dict[str, Any]:
    made = pod(**spec)
    made["status"] = status
    if deleted:
        made["metadata"]["deletionTimestamp"] = "2026-01-02T12:00:30Z"
    return made


def ended(reason: str = "", **fields: Any) -> list[dict[str, Any]]:
    return [state("terminated", reason=reason, **fields)]


def conditions(**types: str) -> list[dict[str, str]]:
    return [{"type": kind, "status": status} for kind, status in types.items()]


WORDS: list[tuple[str, dict[str, Any]]] = [
    ("Pending", {"phase": "Pending"}),
    ("Evicted", {"phase": "Failed", "reason": "Evicted"}),
    (
        "SchedulingGated",
        {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]},
    ),
    (
        "ContainerCreating",
        {"phase": "Pending", "containerStatuses": [state("waiting", reason="ContainerCreating")]},
    ),
    (
        "CrashLoopBackOff",
        {"phase": "Running", "containerStatuses": [state("waiting", reason="CrashLoopBackOff")]},
    ),
    ("Completed", {"phase": "Succeeded", "containerStatuses": ended("Completed", exitCode=0)}),
    ("Error", {"phase": "Failed", "containerStatuses": ended("Error", exitCode=1)}),
    ("ExitCode:3", {"phase": "Failed", "containerStatuses": ended(exitCode=3)}),
    ("Signal:9", {"phase": "Failed", "containerStatuses": ended(exitCode=137, signal=9)}),
    ("Running", {"phase": "Running", "containerStatuses": [{**state("running"), "ready": True}]}),
]


@pytest.mark.parametrize(("word", "status"), WORDS)
def test_the_status_word_is_the_last_thing_with_something_to_say(word: str, status: dict[str, Any]) -> None:
    assert status_word(with_status(status)) == word


INIT_WORDS: list[tuple[str, dict[str, Any]]] = [
    ("Init:0/2", state("running")),
    ("Init:0/2", state("waiting", reason="PodInitializing")),
    ("Init:ImagePullBackOff", state("waiting", reason="ImagePullBackOff")),
    ("Init:Error", state("terminated", reason="Error", exitCode=1)),
    ("Init:ExitCode:2", state("terminated", exitCode=2)),
    ("Init:Signal:9", state("terminated", exitCode=137, signal=9)),
]


@pytest.mark.parametrize(("word", "first"), INIT_WORDS)
def test_an_init_container_that_is_not_done_is_what_counts(word: str, first: dict[str, Any]) -> None:
    status = {
        "phase": "Pending",
        "initContainerStatuses": [first],
        "containerStatuses": [state("waiting", reason="PodInitializing")],
    }
    assert status_word(with_status(status, initContainers=[container(name="a"), container(name="b")])) == word


def test_after_its_init_containers_a_pod_shows_its_own_containers() -> None:
    status = {
        "phase": "Pending",
        "initContainerStatuses": [state("terminated", reason="Completed", exitCode=0)],
        "containerStatuses": [state("waiting", reason="PodInitializing")],
    }
    assert status_word(with_status(status, initContainers=[container(name="main")])) == "PodInitializing"


def test_sidecars_count_as_containers_and_not_as_initialisation() -> None:
    side = {**state("running"), "name": "side", "started": True, "ready": True, "restartCount": 2}
    status = {
        "phase": "Running",
        "initContainerStatuses": [side],
        "containerStatuses": [{**state("running"), "ready": True}],
    }
    made = with_status(status, initContainers=[container(name="side", restartPolicy="Always")])
    row = RULES.row
    assert row is not None
    assert tuple(row(made, NOW))[:4] == ("web-1", "2/2", "Running", "2")


@pytest.mark.parametrize(("ready", "word"), [("True", "Running"), ("False", "NotReady")])
def test_a_pod_with_some_containers_done_is_running_or_not_ready(ready: str, word: str) -> None:
    status = {
        "phase": "Running",
        "conditions": conditions(Ready=ready),
        "containerStatuses": [*ended("Completed", exitCode=0), {**state("running"), "ready": True}],
    }
    assert status_word(with_status(status)) == word


def test_a_deleted_pod_is_terminating_until_it_ended_and_unknown_on_a_lost_node() -> None:
    assert status_word(with_status({"phase": "Running"}, deleted=True)) == "Terminating"
    assert status_word(with_status({"phase": "Running", "reason": "NodeLost"}, deleted=True)) == "Unknown"
    done = {"phase": "Succeeded", "containerStatuses": ended("Completed", exitCode=0)}
    assert status_word(with_status(done, deleted=True)) == "Completed"


def test_the_row_says_when_a_container_restarted_last() -> None:
    status = {
        "phase": "Running",
        "podIPs": [{"ip": "10.0.0.7"}],
        "conditions": conditions(Ready="True", **{"example.com/lb": "True"}),
        "containerStatuses": [
            {
                "name": "main",
                "ready": True,
                "restartCount": 3,
                "state": RUNNING,
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T11:55:00Z"}},
            }
        ],
    }
    gates = [{"conditionType": "example.com/lb"}, {"conditionType": "example.com/dns"}]
    made = with_status(status, nodeName="n1", readinessGates=gates)
    assert RULES.row is not None
    cells = tuple(RULES.row(made, NOW))
    assert cells == ("web-1", "1/1", "Running", "3 (5m ago)", "2m", "10.0.0.7", "n1", "<none>", "1/2")
    assert len(cells) == len(RULES.columns)


def test_what_is_not_known_yet_is_shown_as_none() -> None:
    assert RULES.row is not None
    cells = tuple(RULES.row(with_status({"phase": "Pending"}), NOW))
    assert cells[5:] == ("<none>", "<none>", "<none>", "<none>")
