"""Whatever is sent, the answer is kube-apiserver's, and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.rest.client import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Client,
    config_map,
    deployment,
    path_of,
    pod,
    status,
)

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
SCHEME = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'


def bad_request(message: str) -> dict[str, Any]:
    return status(400, "BadRequest", message)


def invalid(kind: str, name: str, field: str, body: str, reason: str, *, group: str = "") -> dict[str, Any]:
    shown = f"{kind}.{group}" if group else kind
    return status(
        422,
        "Invalid",
        f'{shown} "{name}" is invalid: {field}: {body}',
        name=name,
        group=group,
        kind=kind,
        causes=[{"reason": reason, "message": body, "field": field}],
    )


# Bodies that cannot be read


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)"),
        (
            b'{"kind": "ConfigMap"',
            ('couldn\'t get version/kind; json parse error: unexpected end of JSON input ({"kind": "ConfigMap")'),
        ),
        (
            b"{kind: ConfigMap}",
            (
                "couldn't get version/kind; json parse error: invalid character 'k' looking for "
                "beginning of object key string ({kind: ConfigMap})"
            ),
        ),
        (
            b'{"a": 1} {"b": 2}',
            (
                "couldn't get version/kind; json parse error: invalid character '{' after top-level "
                'value ({"a": 1} {"b": 2})'
            ),
        ),
        (
            b'{"metadata": {"name": NaN}}',
            (
                "couldn't get version/kind; json parse error: invalid character 'N' looking "
                'for beginning of value ({"metadata": {"name": NaN}})'
            ),
        ),
    ],
)
def test_malformed_json_is_told_where_it_breaks(api: Client, ns: str, body: bytes, told: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), body)
    assert answer.status == 400
    assert answer.json == bad_request(f"the object provided is unrecognized (must be of type ConfigMap): {told}")


@pytest.mark.parametrize(
    "body",
    [
        b"k8s\x00",
        b"k8s\x00\xff\xff\xff",
        b"not protobuf at all",
        b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x03\xff\xff\xff",
        b"k8s\x00\x0a\x0c\x0a\x02v1\x12\x06Secret\x12\x00",
        b"k8s\x00\x0a\x09\x0a\x02v1\x12\x03Foo\x12\x00",
    ],
)
def test_malformed_protobuf_is_a_bad_request(api: Client, ns: str, body: bytes) -> None:
    with api.unchanged():
        answer = api.post(
            path_of(ns, "configmaps"), body, headers={"Content-Type": "application/vnd.kubernetes.protobuf"}
        )
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")


def test_good_protobuf_is_stored(api: Client, ns: str) -> None:
    meta = b"\x0a\x05proto"
    raw = b"\x0a" + bytes([len(meta)]) + meta + b"\x12\x08\x0a\x01a\x12\x03one"
    body = b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12" + bytes([len(raw)]) + raw
    headers = {"Content-Type": "application/vnd.kubernetes.protobuf"}
    answer = api.post(path_of(ns, "configmaps"), body, headers=headers)
    assert (answer.status, answer.json["data"]) == (201, {"a": "one"})


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_a_body_of_an_unknown_type_is_not_read(api: Client, ns: str, media: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), b"{}", headers={"Content-Type": media})
    told = (
        "the body of the request was in an unknown format - accepted media types include: application/json, "
        "application/yaml, application/vnd.kubernetes.protobuf"
    )
    assert (answer.status, answer.json) == (415, status(415, "UnsupportedMediaType", told))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b"\x00" * 100,
        b'{"metadata":{"name":"\\ud800"}}',
        b'{"metadata":{"name":"a\\u0000b"}}',
        b'{"metadata":{"name":"x","generation":1e400}}',
        b'{"metadata":{"name":"x","generation":99999999999999999999}}',
        b'{"metadata":[]}',
        b'{"metadata":"x"}',
        b'{"metadata":{"name":["x"]}}',
        b'{"metadata":{"labels":{"a":{"b":1}}}}',
        b'{"metadata":{"name":"x","creationTimestamp":"yesterday"}}',
        b"[]",
        b'"text"',
        b"17",
        '{"metadata":{"name":"ünïcödé"}}'.encode(),
        b"\xff\xfe{",
        b'{"apiVersion":1,"kind":"ConfigMap"}',
        b'{"apiVersion":"v1/v2/v3","kind":"ConfigMap"}',
        b'{"metadata":{"name":"' + b"a" * 100_000 + b'"}}',
        b'{"metadata":{"name":"x","annotations":{"a":"' + b"a" * 300_000 + b'"}}}',
        b'{"metadata":{"name":"x","finalizers":["nonsense"]}}',
        b'{"metadata":{"name":"x","ownerReferences":[{}]}}',
    ],
)
def test_hostile_bodies_are_refused_and_hurt_nobody(api: Client, ns: str, body: bytes) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), body)
    assert 400 <= answer.status < 500
    assert answer.json["reason"] in ("BadRequest", "Invalid")


# Kinds and versions


@pytest.mark.parametrize(
    ("api_version", "kind", "told"),
    [
        (
            "v1",
            "Foo",
            (
                f'Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version '
                f'"v1" {SCHEME}'
            ),
        ),
        (
            "v2",
            "ConfigMap",
            (
                'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is '
                f'registered for version "v2" {SCHEME}'
            ),
        ),
        (
            "foo.example/v1",
            "ConfigMap",
            (
                'ConfigMap in version "v1" cannot be handled as a ConfigMap: no kind '
                f'"ConfigMap" is registered for version "foo.example/v1" {SCHEME}'
            ),
        ),
    ],
)
def test_an_unknown_kind_or_version_is_a_bad_request(
    api: Client, ns: str, api_version: str, kind: str, told: str
) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), {**config_map("a"), "apiVersion": api_version, "kind": kind})
    assert (answer.status, answer.json) == (400, bad_request(told))


def test_another_kind_than_that_of_the_url_is_a_bad_request(api: Client, ns: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), {**config_map("a"), "kind": "Secret"})
        assert answer.status == 400
        assert answer.message.startswith('Secret in version "v1" cannot be handled as a ConfigMap: ')


def test_another_served_version_than_that_of_the_url_is_a_bad_request(api: Client, ns: str) -> None:
    scaler = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}}
    with api.unchanged():
        answer = api.post(path_of(ns, "horizontalpodautoscalers", group="autoscaling", version="v2"), scaler)
    told = "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)"
    assert (answer.status, answer.json) == (400, bad_request(told))


# Types and fields


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"data": {"a": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ({"data": ["a"]}, "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"),
        ({"immutable": "yes"}, "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        (
            {"metadata": {"name": 1}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
        ),
    ],
)
def test_a_wrong_type_is_told_as_go_tells_it(api: Client, ns: str, change: dict[str, Any], told: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), {**config_map("a"), **change})
    expected = f'ConfigMap in version "v1" cannot be handled as a ConfigMap: {told}'
    assert (answer.status, answer.json) == (400, bad_request(expected))


def test_unknown_fields_are_refused_told_or_dropped_as_the_client_wishes(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    with api.unchanged():
        strict = api.post(path, {**config_map("s"), "spec": {"a": 1}, "more": 1}, fieldValidation="Strict")
    told = (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "more", '
        'unknown field "spec"'
    )
    assert strict.status == 400
    assert sorted(strict.message) == sorted(told)
    warned = api.post(path, {**config_map("w"), "spec": {"a": 1}}, fieldValidation="Warn")
    assert (warned.status, warned.warnings()) == (201, ['unknown field \\"spec\\"'])
    by_default = api.post(path, {**config_map("d"), "spec": {"a": 1}})
    assert (by_default.status, by_default.warnings()) == (201, ['unknown field \\"spec\\"'])
    ignored = api.post(path, {**config_map("i"), "spec": {"a": 1}}, fieldValidation="Ignore")
    assert (ignored.status, ignored.warnings()) == (201, [])
    for answer in (warned, by_default, ignored):
        assert "spec" not in answer.json


def test_fields_given_twice_are_treated_the_same(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"twice","name":"twice"},"data":{"a":"1"}}'
    with api.unchanged():
        strict = api.post(path, body, fieldValidation="Strict")
    assert strict.message.endswith('strict decoding error: duplicate field "metadata.name"')
    warned = api.post(path, body)
    assert (warned.status, warned.warnings()) == (201, ['duplicate field \\"metadata.name\\"'])


def test_unknown_fields_of_a_changed_and_of_a_patched_object(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps", "a")
    api.make(path_of(ns, "configmaps"), config_map("a"))
    with api.unchanged():
        put = api.put(path, {**config_map("a", b="2"), "more": 1}, fieldValidation="Strict")
        assert (put.status, put.json["reason"]) == (400, "BadRequest")
        patched = api.patch(path, {"more": 1}, fieldValidation="Strict")
        assert (patched.status, patched.json["reason"]) == (422, "Invalid")
        assert patched.message.startswith(' "" is invalid: patch: Invalid value: "{')
        assert patched.message.endswith('strict decoding error: unknown field "more"')
    warned = api.patch(path, {"more": 1, "data": {"c": "3"}})
    assert (warned.status, warned.warnings()) == (200, ['unknown field \\"more\\"'])


def test_a_warning_cannot_break_out_of_its_header(api: Client, ns: str) -> None:
    body = {
        **config_map("w"),
        "a\r\nSet-Cookie: x": 1,
        'quo"te\\': 2,
        "ü" * 300: 3,
        **{f"field{i}": i for i in range(300)},
    }
    answer = api.post(path_of(ns, "configmaps"), body)
    assert answer.status == 201
    assert "set-cookie" not in answer.headers
    assert len(answer.headers["warning"]) < 8000


@pytest.mark.parametrize(
    ("query", "field", "body"),
    [
        ({"dryRun": "yes"}, "dryRun", 'Unsupported value: ["yes"]: supported values: "All"'),
        (
            {"fieldValidation": "Some"},
            "fieldValidation",
            'Unsupported value: "Some": supported values: "", "Ignore", "Strict", "Warn"',
        ),
        ({"fieldManager": "x" * 129}, "fieldManager", "Too long: may not be more than 128 bytes"),
    ],
)
def test_wrong_options_of_a_write_are_told_under_their_own_kind(
    api: Client, ns: str, query: dict[str, str], field: str, body: str
) -> None:
    reason = {"fieldManager": "FieldValueTooLong"}.get(field, "FieldValueNotSupported")
    path = path_of(ns, "configmaps")
    with api.unchanged():
        for kind, answer in (
            ("CreateOptions", api.post(path, config_map("a"), **query)),
            ("UpdateOptions", api.put(path + "/a", config_map("a"), **query)),
            ("PatchOptions", api.patch(path + "/a", {}, **query)),
        ):
            assert answer.status == 422
            assert answer.json == invalid(kind, "", field, body, reason, group="meta.k8s.io")


def test_force_is_for_apply_alone(api: Client, ns: str) -> None:
    answer = api.patch(path_of(ns, "configmaps", "a"), {}, force="true")
    body = "Forbidden: may not be specified for non-apply patch"
    assert answer.json == invalid("PatchOptions", "", "force", body, "FieldValueForbidden", group="meta.k8s.io")


# Names and places


@pytest.mark.parametrize("name", ["Upper", "-a", "a_b", "a..b", "a/b", "a b"])
def test_an_invalid_name_is_invalid(api: Client, ns: str, name: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), config_map(name))
    body = f"Invalid value: {json.dumps(name)}: {SUBDOMAIN}"
    assert (answer.status, answer.json) == (422, invalid("ConfigMap", name, "metadata.name", body, "FieldValueInvalid"))


def test_every_complaint_is_a_cause(api: Client, ns: str) -> None:
    wrong = deployment("Wrong")
    wrong["spec"]["template"]["spec"]["containers"][0].pop("image")
    wrong["metadata"]["labels"] = {"-": "x"}
    with api.unchanged():
        answer = api.post(path_of(ns, "deployments", group="apps"), wrong)
    assert answer.status == 422
    assert answer.message.startswith('Deployment.apps "Wrong" is invalid: [')
    details = answer.json["details"]
    assert (details["group"], details["kind"], details["name"]) == ("apps", "Deployment", "Wrong")
    assert {"metadata.name", "metadata.labels", "spec.template.spec.containers[0].image"} <= {
        cause["field"] for cause in details["causes"]
    }


def test_a_name_or_a_prefix_of_one_is_required(api: Client, ns: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), {"metadata": {}})
    body = "Required value: name or generateName is required"
    assert answer.json == invalid("ConfigMap", "", "metadata.name", body, "FieldValueRequired")


def test_a_namespace_that_is_not_there_is_not_found(api: Client) -> None:
    with api.unchanged():
        answer = api.post(path_of("none", "configmaps"), config_map("a"))
    assert answer.json == status(404, "NotFound", 'namespaces "none" not found', name="none", kind="namespaces")


def test_an_object_must_say_the_same_place_as_the_url(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a"))
    path = path_of(ns, "configmaps", "a")
    other = "the namespace of the provided object does not match the namespace sent on the request"
    with api.unchanged():
        assert api.post(path_of(ns, "configmaps"), config_map("b", "other")).json == bad_request(other)
        assert api.put(path, config_map("a", "other")).json == bad_request(other)
        told = "the name of the object (b) does not match the name on the URL (a)"
        assert api.put(path, config_map("b")).json == bad_request(told)
        assert api.patch(path, {"metadata": {"name": "b"}}).json == bad_request(told)
        told = "the name of the object (a based on URL) was undeterminable: name must be provided"
        assert api.put(path, {"metadata": {}}).json == bad_request(told)


def test_what_is_not_there_is_not_found(api: Client, ns: str) -> None:
    path = path_of(ns, "deployments", "none", group="apps")
    told = status(404, "NotFound", 'deployments.apps "none" not found', name="none", group="apps", kind="deployments")
    with api.unchanged():
        assert api.get(path).json == told
        assert api.put(path, deployment("none")).json == told
        assert api.patch(path, {"metadata": {"labels": {"a": "b"}}}).json == told
        assert api.delete(path).json == told
        assert api.get(path + "/scale").json == told
        assert api.get(path_of(ns, "pods", "none") + "/log").json["reason"] == "NotFound"


def test_a_taken_name_already_exists(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a"))
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), config_map("a"))
    told = status(409, "AlreadyExists", 'configmaps "a" already exists', name="a", kind="configmaps")
    assert (answer.status, answer.json) == (409, told)


# Versions of an object


def test_writing_from_an_old_version_is_a_conflict(api: Client, ns: str) -> None:
    old = api.make(path_of(ns, "configmaps"), config_map("a"))
    path = path_of(ns, "configmaps", "a")
    api.patch(path, {"data": {"b": "1"}})
    told = status(
        409, "Conflict", f'Operation cannot be fulfilled on configmaps "a": {MODIFIED}', name="a", kind="configmaps"
    )
    version = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}}
    with api.unchanged():
        assert api.put(path, old).json == told
        assert api.patch(path, version).json == told
        assert api.patch(path, {**version, "data": {"c": "1"}}, STRATEGIC_PATCH).json == told


def test_writing_to_another_object_of_the_same_name_is_a_conflict(api: Client, ns: str) -> None:
    uid = api.make(path_of(ns, "configmaps"), config_map("a"))["metadata"]["uid"]
    path = path_of(ns, "configmaps", "a")
    other = config_map("a", b="2")
    other["metadata"]["uid"] = "another"
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/configmaps/{ns}/a, ResourceVersion: 0, "
        f"AdditionalErrorMsg: Precondition failed: UID in precondition: another, UID in object meta: {uid}"
    )
    told = status(
        409, "Conflict", f'Operation cannot be fulfilled on configmaps "a": {why}', name="a", kind="configmaps"
    )
    with api.unchanged():
        assert api.put(path, other).json == told
        assert api.patch(path, {"metadata": {"uid": "another"}}).json == told


def test_a_kind_that_wants_a_version_says_so(api: Client, ns: str) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": {}}
    api.make(path_of(ns, "leases", group="coordination.k8s.io"), lease)
    with api.unchanged():
        answer = api.put(path_of(ns, "leases", "a", group="coordination.k8s.io"), lease)
    body = "Invalid value: 0x0: must be specified for an update"
    expected = invalid(
        "leases", "a", "metadata.resourceVersion", body, "FieldValueInvalid", group="coordination.k8s.io"
    )
    assert (answer.status, answer.json) == (422, expected)


def test_a_new_object_has_no_version_yet(api: Client, ns: str) -> None:
    new = config_map("a")
    new["metadata"]["resourceVersion"] = "17"
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), new)
    told = "resourceVersion should not be set on objects to be created"
    expected = {k: v for k, v in status(500, "", told).items() if k != "reason"}
    assert (answer.status, answer.json) == (500, expected)


def test_what_the_server_keeps_cannot_be_changed(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "configmaps"), config_map("a"))
    path = path_of(ns, "configmaps", "a")
    changed = api.patch(path, {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 7}})
    assert changed.json == made
    with api.unchanged():
        answer = api.patch(path, {"metadata": {"deletionTimestamp": "2001-01-01T00:00:00Z"}})
    assert (answer.status, answer.json["details"]["causes"][0]["field"]) == (422, "metadata.deletionTimestamp")
    assert "field is immutable" in answer.message


# Patches


@pytest.mark.parametrize(
    ("kind", "body", "code", "told"),
    [
        (
            "application/json",
            b"{}",
            415,
            (
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
            ),
        ),
        (
            "application/apply-patch+yaml",
            b"{}",
            415,
            (
                "the body of the request was in an unknown format - accepted "
                "media types include: application/json-patch+json, application/merge-patch+json, "
                "application/strategic-merge-patch+json"
            ),
        ),
        (
            JSON_PATCH,
            b"{}",
            400,
            ("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        ),
        (JSON_PATCH, b"[", 400, "error decoding patch: unexpected end of JSON input"),
        (
            MERGE_PATCH,
            b"[]",
            400,
            ("error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        ),
        (STRATEGIC_PATCH, b"x", 400, "invalid character 'x' looking for beginning of value"),
        (
            JSON_PATCH,
            b'[{"op":"test","path":"/data/a","value":"2"}]',
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            JSON_PATCH,
            b'[{"op":"remove","path":"/nothing"}]',
            422,
            "the server rejected our request due to an error in our request",
        ),
        (
            JSON_PATCH,
            b"[" + b",".join([b'{"op":"test","path":"/kind","value":"ConfigMap"}'] * 10_001) + b"]",
            413,
            "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
        ),
    ],
)
def test_a_patch_that_cannot_be_read_or_applied(
    api: Client, ns: str, kind: str, body: bytes, code: int, told: str
) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a", a="1"))
    with api.unchanged():
        answer = api.patch(path_of(ns, "configmaps", "a"), body, kind)
    assert (answer.status, answer.message) == (code, told)


def test_a_patch_that_makes_nonsense_is_invalid(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a", a="1"))
    path = path_of(ns, "configmaps", "a")
    with api.unchanged():
        wrong_type = api.patch(path, {"data": {"a": 1}})
        assert (wrong_type.status, wrong_type.json["reason"]) == (422, "Invalid")
        assert wrong_type.message.startswith(' "" is invalid: patch: Invalid value: "{')
        assert "cannot unmarshal number into Go struct field ConfigMap.data of type string" in wrong_type.message
        other_kind = api.patch(path, {"kind": "Secret"})
        assert (other_kind.status, other_kind.json["reason"]) == (422, "Invalid")
        bad_label = api.patch(path, {"metadata": {"labels": {"a": "-"}}})
        assert (bad_label.status, bad_label.json["details"]["causes"][0]["field"]) == (422, "metadata.labels")


# Sizes


def test_an_oversized_body_is_not_read(api: Client, ns: str) -> None:
    with api.unchanged():
        answer = api.post(path_of(ns, "configmaps"), config_map("a", a="x" * 3_200_000))
    told = status(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    assert (answer.status, answer.json) == (413, told)


def test_an_oversized_object_is_refused_before_it_is_stored(api: Client, ns: str) -> None:
    path = path_of(ns, "secrets")
    large = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "x" * 1_600_000}}
    with api.unchanged():
        answer = api.post(path, large)
        assert answer.status in (413, 422)
    labels = {"metadata": {"name": "b", "annotations": {"a": "x" * 200_000}}, "data": {"a": "x" * 900_000}}
    made = api.post(path_of(ns, "configmaps"), labels)
    assert made.status == 201
    spec = deployment("big")
    spec["spec"]["template"]["spec"]["containers"][0]["args"] = ["x" * 1_600_000]
    with api.unchanged():
        answer = api.post(path_of(ns, "deployments", group="apps"), spec)
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")
    assert answer.message.startswith('deployments.apps "big" is too large: ')
    assert "the limit is 1572864" in answer.message


# Reads


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({f"x{i}": "" for i in range(300)}, "Max number of fields exceeded"),
        ({"limit": "many"}, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ({"limit": "99999999999999999999"}, 'strconv.ParseInt: parsing "99999999999999999999": value out of range'),
        ({"timeoutSeconds": "1.5"}, 'strconv.ParseInt: parsing "1.5": invalid syntax'),
        (
            {"resourceVersion": "abc"},
            (
                'invalid resource version: resourceVersion: Invalid value: "abc": '
                'strconv.ParseUint: parsing "abc": invalid syntax'
            ),
        ),
        ({"continue": "abc"}, None),
        (
            {"continue": "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MCwic3RhcnQiOiJ4In0"},
            (
                "invalid continue token: continue key "
                "is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
            ),
        ),
        ({"labelSelector": "a in"}, None),
        ({"labelSelector": "!!"}, None),
        ({"fieldSelector": "nonsense"}, "invalid selector: 'nonsense'; can't understand 'nonsense'"),
        ({"fieldSelector": "spec.foo=1"}, "field label not supported: spec.foo"),
    ],
)
def test_a_list_that_cannot_be_understood(api: Client, ns: str, query: dict[str, str], told: str | None) -> None:
    answer = api.get(path_of(ns, "pods"), **query)
    assert (answer.status, answer.json["reason"]) == (400, "BadRequest")
    assert told is None or answer.message == told


def test_a_kind_without_fields_of_its_own_names_those_that_all_have(api: Client, ns: str) -> None:
    answer = api.get(path_of(ns, "configmaps"), fieldSelector="data.a=1")
    told = '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"'
    assert answer.json == bad_request(told)


@pytest.mark.parametrize(
    ("query", "field", "body"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            "resourceVersionMatch",
            'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Newest", "resourceVersion": "1"},
            "resourceVersionMatch",
            'Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""',
        ),
        ({"sendInitialEvents": "true"}, "sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list"),
        (
            {"watch": "1", "sendInitialEvents": "true"},
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"watch": "1", "resourceVersionMatch": "NotOlderThan"},
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
    ],
)
def test_options_of_a_list_that_do_not_go_together(api: Client, query: dict[str, str], field: str, body: str) -> None:
    answer = api.get("/api/v1/namespaces", **query)
    reason = "FieldValueNotSupported" if body.startswith("Unsupported") else "FieldValueForbidden"
    assert answer.json == invalid("ListOptions", "", field, body, reason, group="meta.k8s.io")


# Deleting


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"{", 400, "BadRequest"),
        (b'{"gracePeriodSeconds":"soon"}', 400, "BadRequest"),
        (b'{"kind":"ConfigMap","apiVersion":"v1"}', 400, "BadRequest"),
        (b'{"propagationPolicy":"Sideways"}', 422, "Invalid"),
        (b'{"propagationPolicy":"Orphan","orphanDependents":true}', 422, "Invalid"),
        (b'{"dryRun":["Some"]}', 422, "Invalid"),
    ],
)
def test_wrong_options_of_a_delete(api: Client, ns: str, body: bytes, code: int, reason: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a"))
    with api.unchanged():
        for path in (path_of(ns, "configmaps", "a"), path_of(ns, "configmaps")):
            answer = api.delete(path, body)
            assert (answer.status, answer.json["reason"]) == (code, reason)


def test_an_unknown_propagation_policy_is_told_what_there_is(api: Client, ns: str) -> None:
    answer = api.delete(path_of(ns, "configmaps", "a"), propagationPolicy="Sideways")
    body = 'Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"'
    expected = invalid("DeleteOptions", "", "propagationPolicy", body, "FieldValueNotSupported", group="meta.k8s.io")
    assert answer.json == expected


def test_deleting_another_object_or_version_is_a_conflict(api: Client, ns: str) -> None:
    made = api.make(path_of(ns, "deployments", group="apps"), deployment("a"))["metadata"]
    path = path_of(ns, "deployments", "a", group="apps")
    with api.unchanged():
        uid = api.delete(path, {"preconditions": {"uid": "other"}})
        version = api.delete(path, {"preconditions": {"resourceVersion": "1"}})
    why = (
        f"the UID in the precondition (other) does not match the UID in record ({made['uid']}). "
        "The object might have been deleted and then recreated"
    )
    told = f'Operation cannot be fulfilled on Deployment.apps "a": {why}'
    assert uid.json == status(409, "Conflict", told, name="a", group="apps", kind="Deployment")
    why = (
        f"the ResourceVersion in the precondition (1) does not match the ResourceVersion in record "
        f"({made['resourceVersion']}). The object might have been modified"
    )
    assert version.message == f'Operation cannot be fulfilled on Deployment.apps "a": {why}'


def test_a_pod_needs_what_it_names(api: Client, ns: str) -> None:
    with api.unchanged():
        account = api.post(path_of(ns, "pods"), pod("a", serviceAccountName="robot"))
        told = f'pods "a" is forbidden: error looking up service account {ns}/robot: serviceaccount "robot" not found'
        assert (account.status, account.message) == (403, told)
        priority = api.post(path_of(ns, "pods"), pod("a", priorityClassName="urgent"))
        told = 'pods "a" is forbidden: no PriorityClass with name urgent was found'
        assert (priority.status, priority.message) == (403, told)
