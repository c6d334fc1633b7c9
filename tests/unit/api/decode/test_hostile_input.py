"""Whatever a client sends, it gets an object that can be stored, or a 4xx that says why."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.api.decode import Decoded, Obj, check_patched, decode_object, decode_options
from apiserver.api.resources import REGISTRY, Resource
from apiserver.api.schema import schema_for
from apiserver.api.status import StatusError
from tests.unit.api.decode.bodies import DEPLOYMENTS, JSON, PODS, PROTOBUF, YAML, decode, refusal, resource
from tests.unit.api.shapes import ANY_JSON, TEXT, objects, tries

MEDIA = st.sampled_from([JSON, YAML, PROTOBUF])
MODES = st.sampled_from(["ignore", "warn", "strict"])
RESOURCES = st.sampled_from(REGISTRY.all())


def outcome(attempt: Callable[[], Decoded | Obj]) -> tuple[int, Any]:
    """(200, the object), or (the code of the refusal, its Status)."""
    try:
        decoded = attempt()
    except StatusError as err:
        return err.code, orjson.loads(orjson.dumps(err.to_status()))
    return 200, decoded


def stored(body: bytes, target: Resource, media: str, mode: str) -> bytes | None:
    """The object as JSON; None where the body is refused."""
    schema = schema_for(target.definition)
    code, decoded = outcome(lambda: decode_object(body, media, resource=target, schema=schema, mode=mode))
    if code != 200:
        assert (code, decoded["reason"]) == (400, "BadRequest")
        return None
    assert decoded.obj["kind"] == target.kind
    assert decoded.obj["apiVersion"] == target.api_version
    assert isinstance(decoded.obj["metadata"], dict)
    return orjson.dumps(decoded.obj)


def mutated(obj: Any, data: st.DataObject) -> Any:
    """The document with one value somewhere replaced by any other."""
    here = obj
    while isinstance(here, dict | list) and here:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        key = data.draw(st.sampled_from(keys))
        below: Any = here[key]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            here[key] = data.draw(ANY_JSON)
            break
        here = below
    return obj


@tries(300)
@given(st.binary(max_size=60), RESOURCES, MEDIA, MODES)
def test_any_bytes_are_refused_or_stored(body: bytes, target: Resource, media: str, mode: str) -> None:
    stored(body, target, media, mode)
    stored(b"k8s\0" + body, target, PROTOBUF, mode)


@tries(200)
@given(TEXT, RESOURCES, MODES)
def test_any_text_is_yaml_or_refused(text: str, target: Resource, mode: str) -> None:
    stored(b"metadata: " + text.encode(), target, YAML, mode)


@tries(200)
@given(ANY_JSON, RESOURCES, MODES)
def test_any_document_is_refused_or_stored(document: Any, target: Resource, mode: str) -> None:
    stored(orjson.dumps(document), target, JSON, mode)


@tries(200)
@given(st.data(), RESOURCES)
def test_an_object_with_one_wrong_value_is_refused_or_stored_and_then_stays_as_it_is(
    data: st.DataObject, target: Resource
) -> None:
    obj = mutated(data.draw(objects(schema_for(target.definition))), data)
    first = stored(orjson.dumps(obj), target, JSON, "warn")
    if first is not None:
        assert stored(first, target, JSON, "strict") == first


@tries(150)
@given(st.data(), RESOURCES)
def test_json_and_yaml_of_one_document_are_one_object(data: st.DataObject, target: Resource) -> None:
    raw = orjson.dumps(data.draw(objects(schema_for(target.definition))), option=orjson.OPT_INDENT_2)
    if b"\\u007f" in raw or any(ord(c) > 0x7E and not c.isprintable() for c in raw.decode()) or "\x7f" in raw.decode():
        return  # characters that YAML does not allow
    as_json, as_yaml = stored(raw, target, JSON, "strict"), stored(raw, target, YAML, "strict")
    assert as_json is not None
    if as_yaml is not None:
        assert orjson.loads(as_yaml) == orjson.loads(as_json)


@tries(200)
@given(ANY_JSON, RESOURCES, MODES)
def test_any_patched_document_is_refused_or_stored(document: Any, target: Resource, mode: str) -> None:
    schema = schema_for(target.definition)
    code, decoded = outcome(lambda: check_patched(document, resource=target, schema=schema, mode=mode))
    assert code == 422 or orjson.dumps(decoded.obj)


@tries(200)
@given(st.binary(max_size=40) | ANY_JSON.map(orjson.dumps), MEDIA)
def test_any_options_are_read_or_refused(body: bytes, media: str) -> None:
    code, options = outcome(lambda: decode_options(body, media))
    if code == 200:
        assert isinstance(options.get("dryRun", []), list)
        assert isinstance(options.get("preconditions", {}), dict)
    else:
        assert code == 400


@tries(100)
@given(st.data(), RESOURCES)
def test_warnings_name_exactly_what_is_dropped(data: st.DataObject, target: Resource) -> None:
    obj = data.draw(objects(schema_for(target.definition)))
    expected = decode(copy.deepcopy(obj), target).obj
    decoded = decode({**obj, "nobody-knows": {"x": 1}}, target)
    assert decoded.warnings == ['unknown field "nobody-knows"']
    assert decoded.obj == expected


@pytest.mark.parametrize("levels", [230, 300, 1_000, 100_000])
@pytest.mark.parametrize("media", [JSON, YAML])
def test_nesting_is_bounded(levels: int, media: str) -> None:
    body = b'{"data":' + b"[" * levels + b"]" * levels + b"}"
    target = resource("controllerrevisions", "apps")
    if levels == 230:
        assert stored(body, target, media, "strict") is not None
    else:
        told = refusal(body, target, media=media)
        assert "exceeded max depth" in told or "exceeded maximum nesting depth" in told


def test_a_schema_that_nests_as_deep_as_may_be_is_checked() -> None:
    crds = resource("customresourcedefinitions", "apiextensions.k8s.io")
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(110):
        schema = {"type": "object", "properties": {"a": schema}}
    body = {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    assert decode(body, crds, mode="strict").obj["spec"] == body["spec"]


def test_many_aliases_are_refused_before_they_cost_anything() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    assert "excessive aliasing" in refusal("\n".join(lines).encode(), media=YAML)
    merges = ["a0: &a0 {k: v}", *(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 60))]
    assert "excessive aliasing" in refusal("\n".join(merges).encode(), media=YAML)


def test_what_two_aliases_name_are_two_objects() -> None:
    body = b"metadata: {labels: &l {app: web}}\nspec: {selector: {matchLabels: *l}}\n"
    obj = decode(body, DEPLOYMENTS, media=YAML).obj
    assert obj["metadata"]["labels"] == obj["spec"]["selector"]["matchLabels"]
    assert obj["metadata"]["labels"] is not obj["spec"]["selector"]["matchLabels"]


def test_numbers_that_no_field_can_hold_are_refused() -> None:
    for number in (b"1e999", b"-1e999", b"9" * 400, b"1" + b"0" * 5000):
        assert "cannot unmarshal number" in refusal(b'{"spec":{"priority":' + number + b"}}", PODS)
    for number in (b"1.0", b"1e2", b"2147483648", b"-2147483649", b"9223372036854775808", b"18446744073709551616"):
        assert "of type int32" in refusal(b'{"spec":{"priority":' + number + b"}}", PODS)


def test_text_that_is_not_unicode_is_mended_as_upstream_mends_it() -> None:
    assert decode(b'{"data":{"a":"\xff","b":"\\ud800x","\\udfff":"\\ud83d\\ude00"}}').obj["data"] == {
        "a": "\ufffd",
        "b": "\ufffdx",
        "\ufffd": "😀",
    }
