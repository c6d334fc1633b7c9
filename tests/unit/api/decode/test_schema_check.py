from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.resources import REGISTRY
from apiserver.api.schema import Schema, schema_for
from apiserver.api.schema_check import CheckResult, TypeMismatch, check
from apiserver.api.schema_source import definitions
from tests.unit.api.shapes import objects, tries

POD = schema_for("io.k8s.api.core.v1.Pod")
SECRET = schema_for("io.k8s.api.core.v1.Secret")
SERVICE = schema_for("io.k8s.api.core.v1.Service")
CRD = schema_for("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition")


def mismatch(schema: Schema, obj: Any) -> str:
    with pytest.raises(TypeMismatch) as caught:
        check(schema, obj)
    return str(caught.value)


@tries(200)
@given(st.data())
def test_what_the_schema_allows_stays_as_it_is(data: st.DataObject) -> None:
    schema = schema_for(data.draw(st.sampled_from(REGISTRY.all())).definition)
    obj = data.draw(objects(schema))
    assert check(schema, copy.deepcopy(obj)) == CheckResult(obj, [])


def test_every_definition_compiles() -> None:
    for name in definitions():
        schema = schema_for(name)
        if schema.is_object:
            assert check(schema, {}).obj == {}


def test_null_is_the_zero_value() -> None:
    obj = {
        "metadata": {"labels": {"a": None}, "finalizers": [None], "deletionTimestamp": None},
        "spec": {"containers": [None, {"args": [None], "resources": {"limits": {"cpu": None}}, "tty": None}]},
        "status": None,
    }
    assert check(POD, obj).obj == {
        "metadata": {"labels": {"a": ""}, "finalizers": [""]},
        "spec": {"containers": [{}, {"args": [""], "resources": {"limits": {"cpu": "0"}}}]},
    }


def test_go_s_zero_time_is_no_time() -> None:
    assert check(POD, {"metadata": {"creationTimestamp": "0001-01-01T00:00:00Z"}}).obj == {"metadata": {}}


def test_values_are_rewritten_as_upstream_writes_them() -> None:
    limits = {"cpu": "0.5", "memory": "1024Mi", "x/y": 3, "z": 1.5}
    obj = {"metadata": {"deletionTimestamp": "2024-01-01T01:00:00.5+01:00"}, "spec": {"overhead": limits}}
    assert check(POD, obj).obj == {
        "metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"},
        "spec": {"overhead": {"cpu": "500m", "memory": "1Gi", "x/y": "3", "z": "1500m"}},
    }
    assert check(SECRET, {"data": {"a": "YQ\n=="}}).obj == {"data": {"a": "YQ=="}}


def test_an_int_or_string_is_either() -> None:
    for port in (80, "http", ""):
        obj = {"spec": {"ports": [{"targetPort": port}]}}
        assert check(SERVICE, copy.deepcopy(obj)).obj == obj
    field = "into Go struct field ServicePort.spec.ports.targetPort of type int32"
    assert mismatch(SERVICE, {"spec": {"ports": [{"targetPort": True}]}}) == f"json: cannot unmarshal bool {field}"
    assert mismatch(SERVICE, {"spec": {"ports": [{"targetPort": 2**31}]}}) == (
        f"json: cannot unmarshal number 2147483648 {field}"
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [("1", "string"), (True, "bool"), (1.0, "number 1.0"), (2**31, f"number {2**31}"), ([], "array"), ({}, "object")],
)
def test_integers_are_taken_strictly(value: Any, told: str) -> None:
    assert mismatch(POD, {"spec": {"priority": value}}) == (
        f"json: cannot unmarshal {told} into Go struct field PodSpec.spec.priority of type int32"
    )


@pytest.mark.parametrize(
    ("obj", "found", "field", "go_type"),
    [
        ({"metadata": 1}, "number", "Pod.metadata", "v1.ObjectMeta"),
        ({"metadata": {"labels": []}}, "array", "ObjectMeta.metadata.labels", "map[string]string"),
        ({"metadata": {"labels": {"a": 1.5}}}, "number", "ObjectMeta.metadata.labels", "string"),
        ({"spec": {"restartPolicy": 1}}, "number", "PodSpec.spec.restartPolicy", "v1.RestartPolicy"),
        ({"spec": {"containers": {}}}, "object", "PodSpec.spec.containers", "[]v1.Container"),
        ({"spec": {"containers": [[]]}}, "array", "PodSpec.spec.containers", "v1.Container"),
        ({"spec": {"containers": [{"args": "x"}]}}, "string", "Container.spec.containers.args", "[]string"),
        ({"spec": {"containers": [{"args": [1]}]}}, "number", "Container.spec.containers.args", "string"),
        ({"spec": {"nodeSelector": {"a": {}}}}, "object", "PodSpec.spec.nodeSelector", "string"),
    ],
)
def test_a_wrong_type_is_told_in_go_s_words(obj: Any, found: str, field: str, go_type: str) -> None:
    assert mismatch(POD, obj) == f"json: cannot unmarshal {found} into Go struct field {field} of type {go_type}"


@pytest.mark.parametrize(("obj", "found"), [([], "array"), ("x", "string"), (1, "number"), (False, "bool")])
def test_what_is_no_object_is_told_without_a_field(obj: Any, found: str) -> None:
    assert mismatch(POD, obj) == f"json: cannot unmarshal {found} into Go value of type v1.Pod"


def test_unknown_fields_are_dropped_and_named() -> None:
    obj = {
        "a": 1,
        "spec": {"containers": [{"b": {"c": 1}}, {"name": "x"}], "d": None},
        "metadata": {"labels": {"e": "f"}},
    }
    found = check(POD, copy.deepcopy(obj))
    assert found.obj == {"spec": {"containers": [{}, {"name": "x"}]}, "metadata": {"labels": {"e": "f"}}}
    assert found.unknown == ["a", "spec.containers[0].b", "spec.d"]
    assert check(POD, copy.deepcopy(obj), unknown="ignore").unknown == []


def test_a_schema_s_own_unions_are_read_in_every_form() -> None:
    props = {
        "items": {"type": "string", "nobody": 1},
        "additionalProperties": False,
        "dependencies": {"a": ["b"], "c": {"type": "object"}},
        "default": {"any": ["thing", None]},
    }
    crd = {"spec": {"versions": [{"schema": {"openAPIV3Schema": props}}]}}
    found = check(CRD, crd)
    kept = found.obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert kept["default"] == {"any": ["thing", None]}
    assert kept["additionalProperties"] is False
    assert kept["dependencies"] == {"a": ["b"], "c": {"type": "object"}}


@pytest.mark.parametrize(
    ("props", "told"),
    [
        ({"additionalProperties": 1}, "boolean or JSON schema expected"),
        ({"dependencies": {"a": 1}}, "array of strings or JSON schema expected"),
        ({"items": 1}, "array or JSON schema expected"),
    ],
)
def test_a_union_of_a_wrong_type_is_refused(props: Any, told: str) -> None:
    assert mismatch(CRD, {"spec": {"versions": [{"schema": {"openAPIV3Schema": props}}]}}) == told


def test_a_custom_schema_is_obeyed_too() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"n": {"type": "integer"}}}
    lists = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "boolean"}}}
    port = {"x-kubernetes-int-or-string": True}
    schema = Schema({"type": "object", "properties": {"open": free, "port": port, "map": lists}})
    obj = {"open": {"n": 1, "x": {"y": 1}}, "port": "http", "map": {"a": [True]}, "gone": 1}
    found = check(schema, obj)
    assert found.obj == {"open": {"n": 1, "x": {"y": 1}}, "port": "http", "map": {"a": [True]}}
    assert found.unknown == ["gone"]
    with pytest.raises(TypeMismatch):
        check(schema, {"map": {"a": ["x"]}})
