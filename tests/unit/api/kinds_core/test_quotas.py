from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.kinds import limitrange, resourcequota
from tests.unit.api.kinds_core.objects import an_object
from tests.unit.api.kinds_workloads.objects import complaints, created, told


def a_quota(*scopes: str, hard: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return an_object(spec={"hard": hard or {}, "scopes": list(scopes), **spec})


def a_range(kind: str = "Container", **fields: Any) -> dict[str, Any]:
    return an_object(spec={"limits": [{"type": kind, **{name: {"cpu": value} for name, value in fields.items()}}]})


def test_a_quota_bounds_what_can_be_counted() -> None:
    hard = {"pods": "1.5", "cpu": "-1", "storage": "1Gi", "a.b/c": "1", "requests.hugepages-2Mi": "2Mi", "odd": "1"}
    assert complaints(resourcequota.RULES, a_quota(hard=hard)) == [
        'spec.hard[pods]: Invalid value: "1500m": must be an integer',
        'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
        'spec.hard[odd]: Invalid value: "odd": must be a standard resource type or fully qualified',
        'spec.hard[odd]: Invalid value: "odd": must be a standard resource for quota',
    ]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (a_quota("Odd"), 'spec.scopes: Invalid value: ["Odd"]: unsupported scope'),
        (
            a_quota("BestEffort", hard={"cpu": "1"}),
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ),
        (
            a_quota("Terminating", "NotTerminating"),
            'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes',
        ),
        (
            a_quota(scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}),
            (
                "spec.scopeSelector.matchExpressions.values: Required value: "
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            ),
        ),
    ],
)
def test_a_quotas_scopes_fit_together(made: dict[str, Any], found: str) -> None:
    assert complaints(resourcequota.RULES, made) == [found]


def test_a_quotas_scopes_stay() -> None:
    assert told(resourcequota.RULES.validate_update(a_quota("BestEffort"), a_quota())) == [
        'spec.scopes: Invalid value: ["BestEffort"]: field is immutable'
    ]


def test_a_containers_limits_fill_each_other_in() -> None:
    (item,) = created(limitrange.RULES, a_range(max="4", min="1"))["spec"]["limits"]
    assert (item["default"], item["defaultRequest"]) == ({"cpu": "4"}, {"cpu": "4"})
    (item,) = created(limitrange.RULES, a_range(min="1000m"))["spec"]["limits"]
    assert item["defaultRequest"] == item["min"] == {"cpu": "1"}


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (a_range("Pod", min="2", max="1"), ['min[cpu]: Invalid value: "2": min value 2 is greater than max value 1']),
        (
            a_range(min="2", default="1", defaultRequest="2"),
            [
                (
                    'defaultRequest[cpu]: Invalid value: "2": '
                    "default request value 2 is greater than default limit value 1"
                ),
                'default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
            ],
        ),
        (a_range("Pod", default="1"), ["default: Forbidden: may not be specified when `type` is 'Pod'"]),
        (
            a_range("Pod", maxLimitRequestRatio="500m"),
            ['maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1'],
        ),
        (
            a_range("Pod", min="1", max="2", maxLimitRequestRatio="3"),
            ['maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000'],
        ),
        (
            a_range("PersistentVolumeClaim"),
            ["limits: Required value: either minimum or maximum storage value is required, but neither was provided"],
        ),
        (a_range("Odd"), ['type: Invalid value: "Odd": must be a standard limit type or fully qualified']),
    ],
)
def test_limits_are_in_order(made: dict[str, Any], found: list[str]) -> None:
    assert complaints(limitrange.RULES, made) == [f"spec.limits[0].{one}" for one in found]
