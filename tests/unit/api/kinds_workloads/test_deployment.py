from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.api.kinds import deployment, replicaset
from tests.unit.api.kinds_workloads.objects import NOW, complaints, created, template, told, workload

DEPLOYMENT, REPLICASET = deployment.RULES, replicaset.RULES


def test_a_deployment_gets_its_strategy_and_its_limits() -> None:
    spec = created(DEPLOYMENT, workload("Deployment"))["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert "enableServiceLinks" not in spec["template"]["spec"]


def test_recreate_gets_no_rolling_update() -> None:
    assert created(DEPLOYMENT, workload("Deployment", strategy={"type": "Recreate"}))["spec"]["strategy"] == {
        "type": "Recreate"
    }


@pytest.mark.parametrize("rules", [DEPLOYMENT, REPLICASET])
def test_good_ones_have_no_complaints(rules: Any) -> None:
    assert complaints(rules, workload(rules.kind)) == []


ROLLING = "spec.strategy.rollingUpdate"
WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"selector": None}, ["spec.selector: Required value"]),
    ({"selector": {}}, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
    (
        {"selector": {"matchLabels": {"app": "other"}}},
        [('spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`')],
    ),
    (
        {"template": template(restartPolicy="Never")},
        ['spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'],
    ),
    ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
    (
        {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}},
        [f"{ROLLING}.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ),
    (
        {"strategy": {"rollingUpdate": {"maxUnavailable": "101%"}}},
        [f'{ROLLING}.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ),
    (
        {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        [f"{ROLLING}: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    (
        {"strategy": {"type": "Magic"}},
        ['spec.strategy.type: Unsupported value: "Magic": supported values: "Recreate", "RollingUpdate"'],
    ),
    (
        {"progressDeadlineSeconds": 5, "minReadySeconds": 5},
        ["spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"],
    ),
    (
        {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}},
        ["spec.template.spec.containers: Required value"],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), WRONG)
def test_a_wrong_deployment_is_told_what_is_wrong(spec: dict[str, Any], expected: list[str]) -> None:
    assert complaints(DEPLOYMENT, workload("Deployment", **spec)) == expected


@pytest.mark.parametrize("rules", [DEPLOYMENT, REPLICASET])
def test_which_pods_belong_to_it_is_fixed(rules: Any) -> None:
    old = created(rules, workload(rules.kind))
    new = copy.deepcopy(old)
    new["spec"]["selector"] = {"matchLabels": {"app": "b"}}
    assert told(rules.validate_update(new, old)) == [
        'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'
    ]
    assert rules.validate_update(old, old) == []


def test_a_status_can_not_count_more_ready_pods_than_pods() -> None:
    old = created(REPLICASET, workload("ReplicaSet"))
    new = copy.deepcopy(old)
    new["status"] = {"replicas": 1, "readyReplicas": 2, "availableReplicas": 1}
    assert told(REPLICASET.validate_status_update(new, old)) == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"
    ]


def test_rows_show_what_is_ready_of_what_is_wanted() -> None:
    made = created(DEPLOYMENT, workload("Deployment", replicas=3))
    made["status"] = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1}
    assert DEPLOYMENT.row is not None
    assert REPLICASET.row is not None
    assert tuple(DEPLOYMENT.row(made, NOW)) == ("web", "2/3", 3, 1, "2m", "main", "nginx:1.27", "app=web")
    made = created(REPLICASET, workload("ReplicaSet", replicas=3))
    assert tuple(REPLICASET.row(made, NOW)) == ("web", 3, 0, 0, "2m", "main", "nginx:1.27", "app=web")
