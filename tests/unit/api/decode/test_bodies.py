from __future__ import annotations

from typing import Any

import pytest

from apiserver.api.status import UnsupportedMediaType
from tests.unit.api.decode.bodies import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    JSON,
    PODS,
    PROTOBUF,
    YAML,
    decode,
    refusal,
    resource,
)

UNRECOGNIZED = "the object provided is unrecognized (must be of type ConfigMap): "
NO_KIND = UNRECOGNIZED + "couldn't get version/kind; json parse error: "
KIND_STRUCT = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
STRICT = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '


def test_a_body_that_says_neither_kind_nor_version_is_taken_for_what_the_url_names() -> None:
    decoded = decode({"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert decoded.obj == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
    assert list(decoded.obj)[:2] == ["apiVersion", "kind"]
    assert decoded.warnings == []


@pytest.mark.parametrize("body", [b"null", b"{}", b' {"metadata": null} ', b'{"kind": "", "apiVersion": null}'])
def test_an_empty_document_is_an_empty_object(body: bytes) -> None:
    assert decode(body).obj == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}


def test_a_kind_without_metadata_gets_none() -> None:
    reviews = resource("selfsubjectaccessreviews", "authorization.k8s.io")
    assert decode({"spec": {}}, reviews).obj["metadata"] == {}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{", "unexpected end of JSON input ({)"),
        (b"nope", "invalid character 'o' in literal null (expecting 'u') (6e6f7065)"),
        (b'{"a" 1}', "invalid character '1' after object key ({\"a\" 1})"),
        (b'{"data":{"k":"v"},"metadata":{}', 'unexpected end of JSON input ({"data":{"k":"v"},"metadata":{ ...)'),
        (b'{"kind": 5}', 'json: cannot unmarshal number into Go struct field .kind of type string ({"kind": 5})'),
        (
            b'{"apiVersion": ["v1"]}',
            'json: cannot unmarshal array into Go struct field .apiVersion of type string ({"apiVersion": ["v1"]})',
        ),
        (b"[]", f"json: cannot unmarshal array into Go value of type {KIND_STRUCT} (5b5d)"),
    ],
)
def test_what_can_not_be_read_as_an_object_is_named_as_upstream_names_it(body: bytes, told: str) -> None:
    assert refusal(body) == NO_KIND + told


def test_the_summary_of_a_body_is_thirty_bytes_of_it() -> None:
    assert refusal(b"x" * 31).endswith(" (" + "78" * 30 + " ...)")
    assert refusal(b"{" + b"x" * 29).endswith(" ({" + "x" * 29 + ")")


@pytest.mark.parametrize(
    ("api_version", "kind", "version"),
    [("v1", "configmap", "v1"), ("apps/v9", "Deployment", "v9"), ("x.y/v1", "Z", "v1")],
)
def test_a_kind_that_nobody_knows_is_refused(api_version: str, kind: str, version: str) -> None:
    assert refusal({"apiVersion": api_version, "kind": kind}) == (
        f'{kind} in version "{version}" cannot be handled as a ConfigMap: no kind "{kind}" is registered for version '
        f'"{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
    )


@pytest.mark.parametrize(("api_version", "kind"), [("v1", "Pod"), ("apps/v1", "Deployment"), ("v1", "List")])
def test_a_kind_that_belongs_elsewhere_is_refused(api_version: str, kind: str) -> None:
    assert refusal({"apiVersion": api_version, "kind": kind}) == (
        f'{kind} in version "v1" cannot be handled as a ConfigMap: converting (v1.{kind}) to (core.ConfigMap): unknown '
        "conversion"
    )


def test_an_api_version_has_one_slash_at_most() -> None:
    told = 'unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c","kind":" ...)'
    assert refusal({"apiVersion": "a/b/c", "kind": "ConfigMap"}) == UNRECOGNIZED + told


@pytest.mark.parametrize(
    ("plural", "group", "version", "sent"),
    [
        ("horizontalpodautoscalers", "autoscaling", "v2", "autoscaling/v1"),
        ("horizontalpodautoscalers", "autoscaling", "v1", "autoscaling/v2"),
        ("events", "", "v1", "events.k8s.io/v1"),
        ("events", "events.k8s.io", "v1", "v1"),
    ],
)
def test_another_version_of_the_kind_is_refused(plural: str, group: str, version: str, sent: str) -> None:
    target = resource(plural, group, version)
    assert refusal({"apiVersion": sent, "kind": target.kind}, target) == (
        f"the API version in the data ({sent}) does not match the expected API version ({target.api_version})"
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"spec": {"containers": "x"}}, "string into Go struct field PodSpec.spec.containers of type []v1.Container"),
        (
            {"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}},
            "string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        ({"metadata": {"labels": {"a": 1}}}, "number into Go struct field ObjectMeta.metadata.labels of type string"),
        ({"spec": []}, "array into Go struct field Pod.spec of type v1.PodSpec"),
        ({"spec": {"hostNetwork": "yes"}}, "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
    ],
)  # fmt: skip
def test_a_value_of_a_wrong_type_is_named_by_its_field_and_go_type(document: dict[str, Any], message: str) -> None:
    assert (
        refusal(document, PODS) == f'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal {message}'
    )


def test_quantities_times_and_bytes_have_their_own_complaints() -> None:
    prefix = 'Pod in version "v1" cannot be handled as a Pod: '
    wanted = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    resources = {"spec": {"containers": [{"resources": {"limits": {"cpu": "lots"}}}]}}
    assert refusal(resources, PODS) == prefix + wanted
    assert refusal({"metadata": {"deletionTimestamp": "soon"}}, PODS) == prefix + (
        'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"'
    )
    assert refusal({"data": {"a": "%"}}, resource("secrets")) == (
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'
    )


DUBIOUS = b"""{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","name":"b","foo":{"x":1,"x":2}},
 "data":{"k":"1","k":"2"},"extra":1,"extra":2}"""
COMPLAINTS = [
    'duplicate field "metadata.name"',
    'unknown field "metadata.foo"',
    'duplicate field "data.k"',
    'unknown field "extra"',
]


def test_strict_mode_refuses_unknown_and_repeated_fields_in_the_order_of_the_document() -> None:
    assert refusal(DUBIOUS, mode="strict") == STRICT + ", ".join(COMPLAINTS)


def test_warn_mode_warns_of_them_and_keeps_the_last_value() -> None:
    decoded = decode(DUBIOUS, mode="warn")
    assert decoded.warnings == COMPLAINTS
    assert decoded.obj["metadata"] == {"name": "b"}
    assert decoded.obj["data"] == {"k": "2"}
    assert "extra" not in decoded.obj


def test_ignore_mode_prunes_in_silence() -> None:
    decoded = decode(DUBIOUS, mode="ignore")
    assert decoded.warnings == []
    assert decoded.obj == decode(DUBIOUS, mode="warn").obj


def test_paths_of_unknown_fields_lead_through_lists_and_maps() -> None:
    body = {"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "b", "imagePullPolicyy": "x"}]}}}}
    assert decode(body, DEPLOYMENTS).warnings == ['unknown field "spec.template.spec.containers[1].imagePullPolicyy"']


def test_field_names_are_quoted_as_go_quotes_them() -> None:
    assert decode({'a"b\n': 1, "é": 2}).warnings == ['unknown field "a\\"b\\n"', 'unknown field "é"']


def test_field_names_are_told_apart_by_case() -> None:
    assert decode({"Data": {"a": "b"}}).warnings == ['unknown field "Data"']


def test_a_hundred_complaints_are_enough() -> None:
    assert len(decode({f"f{i}": 1 for i in range(500)}).warnings) == 100
    repeated = b'{"data":{' + b",".join(b'"k%d":"1","k%d":"2"' % (i, i) for i in range(500)) + b"}}"
    assert len(decode(repeated).warnings) == 100


def test_free_form_values_are_nobody_s_business() -> None:
    revisions = resource("controllerrevisions", "apps")
    decoded = decode(b'{"revision":1,"data":{"x":1,"x":2,"anything":{"goes":null}}}', revisions, mode="strict")
    assert decoded.obj["data"] == {"x": 2, "anything": {"goes": None}}


def test_a_body_that_is_written_differently_than_we_would_is_no_less_strict() -> None:
    body = b'{"kind":"ConfigMap","apiVersion":"v1","data":{"k":"\\u0041","k":"B"}}'
    assert decode(body).warnings == ['duplicate field "data.k"']
    assert decode(b'{\n  "data": {\n    "k": "\\u0041"\n  }\n}\n').warnings == []


def test_huge_numbers_in_a_strange_body_cost_nothing() -> None:
    body = b'{"metadata": {"name":"a"}, "nobody": ' + b"9" * 5000 + b"}"
    assert "number 9" in refusal(body)


YAML_BODY = b"""
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  on: "off"
  k: one
  k: two
nobody: 1
"""


def test_yaml_is_decoded_like_json() -> None:
    decoded = decode(YAML_BODY, media=YAML)
    assert decoded.obj["data"] == {"true": "off", "k": "two"}
    assert decoded.warnings == ['line 8: key "k" already set in map', 'unknown field "nobody"']


def test_strict_yaml_is_refused_with_upstream_s_two_kinds_of_complaint() -> None:
    assert refusal(YAML_BODY, media=YAML, mode="strict") == (
        STRICT + 'yaml: unmarshal errors:\n  line 8: key "k" already set in map, unknown field "nobody"'
    )


def test_malformed_yaml_is_refused() -> None:
    assert refusal(b"data:\n  - a\n b", media=YAML) == (
        UNRECOGNIZED + "yaml: line 2: did not find expected key (646174613a0a20202d20610a2062)"
    )
    assert refusal(b"- a", media=YAML).startswith(NO_KIND + "json: cannot unmarshal array into Go value of type struct")


def test_an_empty_yaml_body_is_an_empty_object() -> None:
    assert decode(b"", media=YAML).obj == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}


def test_a_json_body_may_be_sent_as_yaml() -> None:
    assert decode(b'{"data": {"a": "1"}}', media=YAML).obj["data"] == {"a": "1"}


@pytest.mark.parametrize(
    "media", ["", JSON, "Application/JSON", "application/json; charset=utf-8", " application/json "]
)
def test_json_is_what_clients_send_unless_they_say_otherwise(media: str) -> None:
    assert decode(b"{}", media=media).obj["kind"] == "ConfigMap"


@pytest.mark.parametrize("media", ["text/plain", "application/x-yaml", "application/merge-patch+json", "*/*", "json"])
def test_other_media_types_are_refused_with_the_list_of_those_that_are_served(media: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        decode(b"{}", media=media)
    assert caught.value.code == 415
    assert caught.value.message == (
        "the body of the request was in an unknown format - accepted media types include: application/json, "
        "application/yaml, application/vnd.kubernetes.protobuf"
    )


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty data (<empty>)"),
        (b"k8s\0", "empty body (6b387300)"),
        (
            b"{}",
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0] ({})",
        ),
        (b"k8s\0\x0a\x05ab", "unexpected EOF (6b3873000a056162)"),
    ],
)
def test_what_is_no_protobuf_is_refused(body: bytes, told: str) -> None:
    assert refusal(body, media=PROTOBUF) == UNRECOGNIZED + told


def test_the_target_is_the_configmap_of_these_tests() -> None:
    assert CONFIG_MAPS.definition == "io.k8s.api.core.v1.ConfigMap"
