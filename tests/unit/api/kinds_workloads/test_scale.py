from __future__ import annotations

import pytest

from apiserver.api.kinds import deployment
from apiserver.api.scale import apply_scale, scale_of
from apiserver.api.status import Conflict, Invalid
from tests.unit.api.kinds_workloads.objects import created, workload


def test_a_scale_shows_replicas_and_the_selector_as_text() -> None:
    made = created(deployment.RULES, workload("Deployment", replicas=3))
    made["status"] = {"replicas": 2}
    assert scale_of(made) == {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": "web",
            "namespace": "default",
            "uid": "u-2",
            "creationTimestamp": "2026-01-02T11:58:00Z",
        },
        "spec": {"replicas": 3},
        "status": {"replicas": 2, "selector": "app=web"},
    }


def test_a_controllers_plain_labels_are_a_selector_too() -> None:
    made = workload("ReplicationController", "v1", selector={"b": "2", "a": "1"})
    assert scale_of(made)["status"]["selector"] == "a=1,b=2"


def test_only_the_replicas_of_a_scale_are_taken_over() -> None:
    made = created(deployment.RULES, workload("Deployment", replicas=3))
    scaled = apply_scale(made, {"spec": {"replicas": 7}, "status": {"replicas": 9}})
    assert scaled["spec"] == {**made["spec"], "replicas": 7}
    assert made["spec"]["replicas"] == 3
    assert apply_scale(made, {"spec": {}})["spec"]["replicas"] == 0


def test_a_negative_scale_and_one_of_another_object_are_refused() -> None:
    made = created(deployment.RULES, workload("Deployment"))
    with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1"):
        apply_scale(made, {"spec": {"replicas": -1}})
    with pytest.raises(Conflict, match="UID in precondition"):
        apply_scale(made, {"metadata": {"uid": "other"}, "spec": {"replicas": 1}})
