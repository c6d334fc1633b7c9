"""Bodies that a real kubectl (1.33) sent, each beside what the same command prints as JSON."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from apiserver.api.decode import decode_object
from apiserver.api.resources import REGISTRY, Resource
from apiserver.api.schema import schema_for
from tests.unit.api.decode.bodies import PROTOBUF, resource

RECORDED: list[dict[str, Any]] = json.loads(Path(__file__).with_name("kubectl_bodies.json").read_text())


def decoded(body: str, target: Resource) -> dict[str, Any]:
    raw, schema = base64.b64decode(body), schema_for(target.definition)
    answer = decode_object(raw, PROTOBUF, resource=target, schema=schema, mode="strict")
    assert answer.warnings == []
    return answer.obj


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("recorded", RECORDED, ids=[r["command"] for r in RECORDED])
def test_a_protobuf_body_is_decoded_to_the_json_of_the_same_object(recorded: dict[str, Any]) -> None:
    wanted = recorded["json"]
    group, _, version = wanted["apiVersion"].rpartition("/")
    target = REGISTRY.by_kind(group, version, wanted["kind"])
    assert target is not None
    assert decoded(recorded["body"], target) == without_nulls(wanted)


def test_zero_replicas_are_kept() -> None:
    (recorded,) = (r for r in RECORDED if "--replicas=0" in r["command"])
    assert decoded(recorded["body"], resource("deployments", "apps"))["spec"]["replicas"] == 0


CAN_I = (
    "azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIAOABCABIeChwKB2Rl"
    "ZmF1bHQSA2dldBoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA="
)
CAN_I_LIST = (
    "azhzAAoxChdhdXRob3JpemF0aW9uLms4cy5pby92MRIWU2VsZlN1YmplY3RSdWxlc1JldmlldxIjChAKABIAGgAiACoAMgA4AEIAEgkKB2RlZmF1"
    "bHQaBBgAIgAaACIA"
)


def test_auth_can_i_is_understood() -> None:
    access = decoded(CAN_I, resource("selfsubjectaccessreviews", "authorization.k8s.io"))
    assert access["spec"] == {"resourceAttributes": {"namespace": "default", "verb": "get", "resource": "pods"}}
    rules = decoded(CAN_I_LIST, resource("selfsubjectrulesreviews", "authorization.k8s.io"))
    assert rules["spec"] == {"namespace": "default"}
