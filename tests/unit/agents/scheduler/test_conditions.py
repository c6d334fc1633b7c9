"""What a pod's status says about its placement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from agents.scheduler import conditions
from tests.unit.agents.scheduler.build import pod

Obj = dict[str, Any]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EARLIER = "2026-01-01T00:00:00Z"


def unscheduled(message: str, **more: Any) -> Obj:
    one = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return pod(status={"conditions": [{**one, "lastTransitionTime": EARLIER, **more}]})


def test_a_refusal_is_told_for_this_very_pod() -> None:
    one = pod()
    one["metadata"]["generation"] = 3
    patch = conditions.not_scheduled(one, "Unschedulable", "no room", NOW)
    assert patch == {
        "metadata": {"uid": one["metadata"]["uid"]},
        "status": {
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "no room",
                    "observedGeneration": 3,
                    "lastProbeTime": None,
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                }
            ]
        },
    }


def test_what_is_said_already_is_not_said_again() -> None:
    assert conditions.not_scheduled(unscheduled("no room"), "Unschedulable", "no room", NOW) is None


def test_another_message_keeps_the_time_of_the_transition() -> None:
    patch = conditions.not_scheduled(unscheduled("no room"), "Unschedulable", "no nodes", NOW)
    assert patch is not None
    assert patch["status"]["conditions"][0]["lastTransitionTime"] == EARLIER


def test_a_promise_is_made_withdrawn_or_kept() -> None:
    told = unscheduled("m")
    assert conditions.not_scheduled(told, "Unschedulable", "m", NOW, nominated="") is None
    made = conditions.not_scheduled(told, "Unschedulable", "m", NOW, nominated="a")
    assert made is not None
    assert made["status"] == {"nominatedNodeName": "a"}
    told["status"]["nominatedNodeName"] = "a"
    assert conditions.not_scheduled(told, "Unschedulable", "m", NOW, nominated="a") is None
    assert conditions.not_scheduled(told, "Unschedulable", "m", NOW) is None
    withdrawn = conditions.not_scheduled(told, "Unschedulable", "m", NOW, nominated="")
    assert withdrawn is not None
    assert withdrawn["status"] == {"nominatedNodeName": None}


def test_victims_are_told_why() -> None:
    patch = conditions.disrupted(pod(), "default-scheduler", NOW)
    assert patch is not None
    found = patch["status"]["conditions"][0]
    assert (found["type"], found["status"], found["reason"], found["message"]) == (
        "DisruptionTarget",
        "True",
        "PreemptionByScheduler",
        "default-scheduler: preempting to accommodate a higher priority pod",
    )


def test_events_are_cut_to_their_limit() -> None:
    assert conditions.event_text("x" * 1024) == "x" * 1024
    cut = conditions.event_text("x" * 1025)
    assert (len(cut), cut[-4:]) == (1024, " ...")
