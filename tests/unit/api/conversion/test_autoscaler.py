from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.conversion import from_storage, to_storage
from apiserver.api.schema import schema_for
from apiserver.api.schema_check import check
from tests.unit.api.decode.bodies import resource
from tests.unit.api.shapes import ANY_JSON, INT32, TEXT, TIMES, objects, tries

V1 = resource("horizontalpodautoscalers", "autoscaling", "v1")
V2_SCHEMA = schema_for("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler")
V1_SCHEMA = schema_for("io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler")
PREFIX = "autoscaling.alpha.kubernetes.io/"
TARGET = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
OURS = ("metrics", "current-metrics", "conditions", "behavior", "scale-up-tolerance", "scale-down-tolerance")

QUANTITY = st.sampled_from(["1", "100m", "1500m", "1Gi", "2k"])
SELECTOR = st.none() | st.just({"matchLabels": {"app": "web"}})
REFERENCE = st.fixed_dictionaries({"kind": TEXT, "name": TEXT}, optional={"apiVersion": TEXT})


def identifier() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"name": TEXT}, optional={"selector": st.just({"matchLabels": {"app": "web"}})})


def typed(kind: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    field = kind[0].lower() + kind[1:]
    field = "averageUtilization" if kind == "Utilization" else field
    return st.fixed_dictionaries({"type": st.just(kind), field: value})


def metric(kind: str, **source: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    name = kind[0].lower() + kind[1:]
    return st.fixed_dictionaries({"type": st.just(kind), name: st.fixed_dictionaries(source)})


VALUES = typed("Value", QUANTITY) | typed("AverageValue", QUANTITY)
SHARES = typed("Utilization", INT32) | typed("AverageValue", QUANTITY)
OTHER_METRICS = st.one_of(
    metric("Object", describedObject=REFERENCE, metric=identifier(), target=VALUES),
    metric("Pods", metric=identifier(), target=typed("AverageValue", QUANTITY)),
    metric("External", metric=identifier(), target=VALUES),
    metric("Resource", name=st.just("memory"), target=SHARES),
    metric("Resource", name=st.just("cpu"), target=typed("AverageValue", QUANTITY)),
    metric("ContainerResource", name=st.just("cpu"), container=TEXT, target=SHARES),
)
CPU = metric("Resource", name=st.just("cpu"), target=typed("Utilization", INT32))
BY_VALUE = st.fixed_dictionaries({"value": QUANTITY}, optional={"averageValue": QUANTITY})
BY_AVERAGE = st.fixed_dictionaries({"averageValue": QUANTITY})
BY_SHARE = st.fixed_dictionaries({"averageValue": QUANTITY}, optional={"averageUtilization": INT32})
STATUSES = st.one_of(
    metric("Object", describedObject=REFERENCE, metric=identifier(), current=BY_VALUE),
    metric("Pods", metric=identifier(), current=BY_AVERAGE),
    metric("External", metric=identifier(), current=BY_VALUE),
    metric("Resource", name=st.sampled_from(["cpu", "memory"]), current=BY_SHARE),
    metric("ContainerResource", name=st.just("cpu"), container=TEXT, current=BY_SHARE),
)
POLICY = st.fixed_dictionaries({"type": TEXT, "value": INT32, "periodSeconds": INT32})
SCALING = st.fixed_dictionaries(
    {},
    optional={
        "stabilizationWindowSeconds": INT32,
        "selectPolicy": TEXT,
        "policies": st.lists(POLICY, max_size=2),
        "tolerance": QUANTITY,
    },
)
BEHAVIOR = st.fixed_dictionaries({}, optional={"scaleUp": SCALING, "scaleDown": SCALING}).filter(bool)
CONDITION = st.fixed_dictionaries(
    {"type": TEXT, "status": TEXT}, optional={"lastTransitionTime": TIMES, "reason": TEXT, "message": TEXT}
)


@st.composite
def stored_autoscalers(draw: st.DrawFn) -> dict[str, Any]:
    """What can be stored, in the order in which v1 gives it back: the CPU's utilization comes last."""
    cpu = draw(st.lists(CPU, max_size=1))
    others = draw(st.lists(OTHER_METRICS, min_size=0 if cpu else 1, max_size=3))
    spec = {"scaleTargetRef": TARGET, "maxReplicas": 3, "minReplicas": 1, "metrics": others + cpu}
    behavior = draw(st.none() | BEHAVIOR)
    if behavior:
        spec["behavior"] = behavior
    status: dict[str, Any] = {"currentReplicas": 1, "desiredReplicas": 2}
    for name, items in (("currentMetrics", STATUSES), ("conditions", CONDITION)):
        if found := draw(st.lists(items, max_size=2)):
            status[name] = found
    metadata = {"name": "a", "annotations": {"mine": "yes"}} if draw(st.booleans()) else {"name": "a"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


@tries(400)
@given(stored_autoscalers())
def test_a_client_of_v1_that_reads_and_writes_an_object_back_loses_nothing(stored: dict[str, Any]) -> None:
    before = copy.deepcopy(stored)
    served = from_storage(V1, stored)
    assert stored == before
    assert check(V1_SCHEMA, copy.deepcopy(served)).unknown == []
    assert to_storage(V1, orjson.loads(orjson.dumps(served))) == stored


def an_autoscaler(**spec: Any) -> dict[str, Any]:
    whole = {"scaleTargetRef": TARGET, "maxReplicas": 3, **spec}
    return {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": whole}


def cpu_target(percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def test_the_cpu_s_utilization_is_v1_s_own_field() -> None:
    stored = to_storage(V1, an_autoscaler(targetCPUUtilizationPercentage=55))
    assert stored == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, "metrics": [cpu_target(55)]},
    }
    assert from_storage(V1, stored) == an_autoscaler(targetCPUUtilizationPercentage=55)


def test_without_any_metric_the_cpu_is_kept_at_eighty_percent() -> None:
    assert to_storage(V1, an_autoscaler())["spec"]["metrics"] == [cpu_target(80)]


def test_other_metrics_travel_in_an_annotation_as_upstream_writes_it() -> None:
    target = {"type": "AverageValue", "averageValue": "10"}
    pods = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}}
    stored = {"spec": {"scaleTargetRef": TARGET, "maxReplicas": 3, "metrics": [pods, cpu_target(50)]}}
    served = from_storage(V1, stored)
    assert served["spec"] == {"scaleTargetRef": TARGET, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    assert served["metadata"]["annotations"] == {
        PREFIX + "metrics": '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}}]'
    }


def test_the_behavior_travels_in_upstream_s_internal_form() -> None:
    policy = {"type": "Pods", "value": 4, "periodSeconds": 15}
    behavior = {"scaleUp": {"selectPolicy": "Max", "policies": [policy]}}
    stored = {"spec": {"metrics": [cpu_target(50)], "behavior": behavior}}
    assert from_storage(V1, stored)["metadata"]["annotations"] == {
        PREFIX + "behavior": (
            '{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,'
            '"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}'
        )
    }


def test_the_status_is_told_in_both_ways() -> None:
    current = {
        "type": "Resource",
        "resource": {"name": "cpu", "current": {"averageValue": "10m", "averageUtilization": 7}},
    }
    served = from_storage(V1, {"spec": {}, "status": {"currentReplicas": 1, "currentMetrics": [current]}})
    assert served["status"] == {"currentReplicas": 1, "currentCPUUtilizationPercentage": 7}
    assert served["metadata"]["annotations"][PREFIX + "current-metrics"] == (
        '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":7,"currentAverageValue":"10m"}}]'
    )


def test_a_status_of_v1_alone_is_kept() -> None:
    stored = to_storage(V1, an_autoscaler() | {"status": {"currentReplicas": 2, "currentCPUUtilizationPercentage": 30}})
    measured = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 30}}}
    assert stored["status"] == {"currentReplicas": 2, "currentMetrics": [measured]}


def test_annotations_of_an_earlier_conversion_are_not_shown() -> None:
    annotations = {PREFIX + name: "old" for name in OURS} | {"mine": "yes"}
    served = from_storage(V1, {"metadata": {"annotations": annotations}, "spec": {"metrics": [cpu_target(1)]}})
    assert served["metadata"]["annotations"] == {"mine": "yes"}


def test_what_html_could_misread_is_escaped_as_go_does() -> None:
    metric = {"type": "Pods", "pods": {"metric": {"name": "<&>"}, "target": {"averageValue": "1"}}}
    text = from_storage(V1, {"spec": {"metrics": [metric]}})["metadata"]["annotations"][PREFIX + "metrics"]
    assert "\\u003c\\u0026\\u003e" in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics", "nonsense"), ("metrics", "{}"), ("metrics", "[1]"), ("metrics", '[{"type":5}]'), ("metrics", ""),
        ("metrics", '[{"type":"Pods","pods":{"metricName":1}}]'), ("behavior", "[]"), ("behavior", "null"),
        ("behavior", '{"ScaleUp":{"Policies":"x"}}'), ("behavior", '{"ScaleUp":5}'),
        ("behavior", '{"ScaleUp":{"SelectPolicy":[]}}'),
        ("conditions", '[{"type":1}]'), ("conditions", "7"),
        ("current-metrics", '[{"resource":{"currentAverageValue":"x"}}]'),
    ],
)  # fmt: skip
def test_an_annotation_that_is_not_upstream_s_is_dropped(name: str, text: str) -> None:
    obj = an_autoscaler(targetCPUUtilizationPercentage=55)
    obj["metadata"]["annotations"] = {PREFIX + name: text}
    assert to_storage(V1, obj) == to_storage(V1, an_autoscaler(targetCPUUtilizationPercentage=55))


def test_behavior_is_read_without_regard_to_case() -> None:
    obj = an_autoscaler()
    obj["metadata"]["annotations"] = {PREFIX + "behavior": '{"scaleup":{"stabilizationwindowseconds":5}}'}
    assert to_storage(V1, obj)["spec"]["behavior"] == {"scaleUp": {"stabilizationWindowSeconds": 5}}


@tries(300)
@given(
    st.dictionaries(st.sampled_from([PREFIX + name for name in OURS]), ANY_JSON.map(lambda d: orjson.dumps(d).decode()))
)
def test_whatever_annotations_hold_the_stored_object_is_of_the_right_types(annotations: dict[str, str]) -> None:
    obj = an_autoscaler()
    obj["metadata"]["annotations"] = annotations
    stored = to_storage(V1, obj)
    assert check(V2_SCHEMA, copy.deepcopy(stored)).obj == stored


@tries(200)
@given(st.data())
def test_whatever_is_stored_can_be_served(data: st.DataObject) -> None:
    served = from_storage(V1, data.draw(objects(V2_SCHEMA)))
    assert check(V1_SCHEMA, copy.deepcopy(served)).unknown == []
