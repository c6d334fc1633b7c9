from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.api.decode import Decoded, check_patched, decode_options
from apiserver.api.schema import schema_for
from apiserver.api.status import BadRequest, Invalid, UnsupportedMediaType
from tests.unit.api.decode.bodies import CONFIG_MAPS, DEPLOYMENTS, JSON, PROTOBUF, YAML, resource


def patched(obj: Any, *, mode: str = "warn", shown: str | None = None) -> Decoded:
    target = DEPLOYMENTS
    return check_patched(obj, resource=target, schema=schema_for(target.definition), mode=mode, shown=shown)


def refused(obj: Any, *, mode: str = "warn", shown: str | None = None) -> Invalid:
    with pytest.raises(Invalid) as caught:
        patched(obj, mode=mode, shown=shown)
    return caught.value


def a_deployment(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def test_a_patched_object_is_typed_and_pruned_like_a_body() -> None:
    decoded = patched(a_deployment(replicas=2, nobody=1))
    assert decoded.obj["spec"] == {"replicas": 2}
    assert decoded.warnings == ['unknown field "spec.nobody"']
    assert patched(a_deployment(nobody=1), mode="ignore").warnings == []


def test_a_patch_that_makes_an_object_of_wrong_types_is_invalid() -> None:
    obj = a_deployment(replicas="x")
    text = orjson.dumps(orjson.dumps(obj).decode()).decode()
    error = refused(obj)
    detail = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    assert error.code == 422
    assert error.message == f' "" is invalid: patch: Invalid value: {text}: {detail}'
    assert [(c.reason, c.field) for c in error.causes] == [("FieldValueInvalid", "patch")]


def test_a_patch_that_adds_an_unknown_field_is_invalid_in_strict_mode() -> None:
    error = refused(a_deployment(nobody=1), mode="strict", shown="map[spec:map[nobody:1]]")
    assert error.message == (
        ' "" is invalid: patch: Invalid value: "map[spec:map[nobody:1]]": strict decoding error: '
        'unknown field "spec.nobody"'
    )


def test_a_patch_can_not_change_the_kind() -> None:
    assert "unknown conversion" in refused(a_deployment() | {"apiVersion": "v1", "kind": "Pod"}).message
    assert 'no kind "X" is registered' in refused(a_deployment() | {"kind": "X"}).message


def test_a_patch_can_not_change_the_version() -> None:
    target = resource("horizontalpodautoscalers", "autoscaling", "v2")
    obj = {"apiVersion": "autoscaling/v1", "kind": target.kind}
    with pytest.raises(Invalid, match=r"the API version in the data \(autoscaling/v1\) does not match"):
        check_patched(obj, resource=target, schema=schema_for(target.definition), mode="warn")


@pytest.mark.parametrize("wrong", [[], "x", 5, True, None])
def test_what_is_no_object_any_more_is_invalid(wrong: Any) -> None:
    assert "json: cannot unmarshal" in refused(wrong).message


@pytest.mark.parametrize("metadata", [{"metadata": None}, {}])
def test_metadata_that_a_patch_removed_is_empty(metadata: dict[str, Any]) -> None:
    decoded = patched({"apiVersion": "apps/v1", "kind": "Deployment", **metadata})
    assert decoded.obj["metadata"] == {}


def test_kind_and_version_that_a_patch_removed_are_put_back() -> None:
    decoded = check_patched(
        {"data": {"a": "b"}}, resource=CONFIG_MAPS, schema=schema_for(CONFIG_MAPS.definition), mode="strict"
    )
    assert decoded.obj == {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}, "metadata": {}}


OPTIONS = {
    "gracePeriodSeconds": 0,
    "preconditions": {"uid": "u", "resourceVersion": "7"},
    "propagationPolicy": "Foreground",
    "dryRun": ["All"],
}


def test_no_body_means_no_options() -> None:
    assert decode_options(b"", JSON) == {}
    assert decode_options(b"", "nonsense") == {}


@pytest.mark.parametrize("api_version", ["v1", "apps/v1", "meta.k8s.io/v1", ""])
def test_delete_options_of_any_group_are_read(api_version: str) -> None:
    decoded = decode_options(orjson.dumps({"apiVersion": api_version, "kind": "DeleteOptions", **OPTIONS}), JSON)
    assert {k: v for k, v in decoded.items() if k in OPTIONS} == OPTIONS


def test_delete_options_may_be_yaml_or_protobuf() -> None:
    assert decode_options(b"gracePeriodSeconds: 5\n", YAML) == {"gracePeriodSeconds": 5}
    envelope = b"k8s\0" + b"\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions" + b"\x12\x02\x08\x05"
    assert decode_options(envelope, PROTOBUF) == {"gracePeriodSeconds": 5}


def test_unset_and_unknown_options_are_ignored() -> None:
    assert decode_options(b'{"gracePeriodSeconds": null, "nobody": 1, "gracePeriodSecond": 3}', JSON) == {}


@pytest.mark.parametrize(
    ("body", "media", "told"),
    [
        (b"{", JSON, "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (b"[]", JSON, "cannot unmarshal array into Go value"),
        (b'{"kind":"Pod","apiVersion":"v1"}', JSON, "decoded object cannot be converted to DeleteOptions"),
        (b'{"gracePeriodSeconds":"1"}', JSON, "field DeleteOptions.gracePeriodSeconds of type int64"),
        (b'{"preconditions":[]}', JSON, "field DeleteOptions.preconditions of type v1.Preconditions"),
        (b'{"dryRun":"All"}', JSON, "field DeleteOptions.dryRun of type []string"),
        (b"a: [", YAML, "yaml: line 1: did not find expected node content"),
        (b"k8s\0\xff", PROTOBUF, "unexpected EOF"),
    ],
)
def test_options_that_can_not_be_read_are_refused(body: bytes, media: str, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_options(body, media)
    assert told in caught.value.message


def test_options_of_another_media_type_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        decode_options(b"{}", "text/plain")
