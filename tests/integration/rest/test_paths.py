"""Which paths there are, what may be asked of them, and in which form they answer."""

from __future__ import annotations

import gzip
import http.client
import json
from collections.abc import Callable

import pytest
import yaml

from deploy.identities import Identity
from tests.integration.rest.client import Client, config_map, path_of, status
from tests.integration.rest.server import TestServer

NOT_FOUND = status(404, "NotFound", "the server could not find the requested resource", kind="")
NOT_ALLOWED = status(
    405, "MethodNotAllowed", "the server does not allow this method on the requested resource", kind=""
)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/foos",
        "/api/v1/namespaces/default/foos/x",
        "/api/v2/pods",
        "/api/v2",
        "/apis/apps/v1beta1/deployments",
        "/apis/apps/v1/namespaces",
        "/api/v1/pods/web",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/namespaces/default/namespaces",
        "/api/v1/namespaces/default/namespaces/default",
        "/api/v1/namespaces/default/pods/web/nothing",
        "/api/v1/namespaces/default/pods/web/status/more",
        "/api/v1/namespaces/default/configmaps/a/status",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews/x",
        "/apis/authorization.k8s.io/v1/localsubjectaccessreviews",
        "/api/v1/watch/bindings",
    ],
)
def test_a_path_that_is_not_there_is_not_found(api: Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.json) == (404, NOT_FOUND)


@pytest.mark.parametrize("path", ["/nothing", "/apis/nothing.example/v1/things", "/apis/nothing.example", "/readyz/x"])
def test_a_path_that_nobody_could_serve_is_told_in_plain_text(api: Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/pods"),
        ("DELETE", "/api/v1/pods"),
        ("PUT", "/api/v1/namespaces/default/pods"),
        ("PATCH", "/api/v1/namespaces/default/pods"),
        ("POST", "/api/v1/namespaces/default/pods/web"),
        ("GET", "/api/v1/namespaces/default/bindings"),
        ("GET", "/api/v1/namespaces/default/pods/web/binding"),
        ("DELETE", "/api/v1/namespaces/default/pods/web/status"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
        ("DELETE", "/api/v1/namespaces"),
        ("POST", "/api/v1/watch/pods"),
        ("OPTIONS", "/api/v1/namespaces/default/pods"),
        ("HEAD", "/api/v1/namespaces/default/pods"),
        ("POST", "/version"),
    ],
)
def test_a_verb_that_a_path_does_not_have_is_not_allowed(api: Client, method: str, path: str) -> None:
    answer = api.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
    assert answer.status == 405
    assert method == "HEAD" or answer.json == NOT_ALLOWED


def test_an_object_is_got_whatever_watch_says(api: Client) -> None:
    answer = api.get("/api/v1/namespaces/default", watch="true", timeoutSeconds=1)
    assert answer.json["kind"] == "Namespace"


def test_health_and_version_are_for_everybody(api: Client, client_of: Callable[[Identity | None], Client]) -> None:
    anonymous = client_of(None)
    for path in ("/livez", "/readyz", "/healthz"):
        assert anonymous.get(path).body == b"ok"
        head = api.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
    assert anonymous.get("/version").json["minor"] == "36"


def test_metrics_count_requests_by_verb_resource_and_code(api: Client) -> None:
    api.get("/api/v1/namespaces/default")
    api.get("/api/v1/made-up-by-a-client")
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert b'apiserver_request_total{code="200",resource="namespaces",verb="get"}' in answer.body
    assert b"made-up" not in answer.body


def test_json_is_laid_out_for_those_who_read_it(api: Client) -> None:
    path = "/api/v1/namespaces/default"
    plain = api.get(path).body
    assert b"\n" not in plain
    for headers, query in (({}, {"pretty": "true"}), ({"User-Agent": "curl/8.5.0"}, {})):
        pretty = api.get(path, headers=headers, **query).body
        assert pretty.startswith(b'{\n  "')
        assert json.loads(pretty) == json.loads(plain)
    assert api.get(path, headers={"User-Agent": "curl/8.5.0"}, pretty="false").body == plain
    assert api.get("/api/v1/nodes/none", pretty="1").body.startswith(b'{\n  "kind": "Status"')


def test_yaml_is_answered_in_yaml_errors_too(api: Client) -> None:
    headers = {"Accept": "application/yaml"}
    answer = api.get("/api/v1/namespaces/default", headers=headers)
    assert answer.headers["content-type"] == "application/yaml"
    assert yaml.safe_load(answer.body)["metadata"]["name"] == "default"
    assert yaml.safe_load(api.get("/api/v1/namespaces/none", headers=headers).body)["reason"] == "NotFound"


def test_yaml_is_taken_in_yaml(api: Client, ns: str) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\ndata:\n  a: '1'\n"
    answer = api.post(path_of(ns, "configmaps"), body, headers={"Content-Type": "application/yaml"})
    assert (answer.status, answer.json["data"]) == (201, {"a": "1"})


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "NamespaceList"),
        ("*/*", "NamespaceList"),
        ("application/vnd.kubernetes.protobuf,application/json", "NamespaceList"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "NamespaceList"),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Table"),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "NamespaceList"),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "PartialObjectMetadataList"),
        ("application/json;q=0.1,application/json;as=Table;v=v1;g=meta.k8s.io", "Table"),
    ],
)
def test_the_first_form_that_can_be_made_is_answered(api: Client, accept: str, kind: str) -> None:
    assert api.get("/api/v1/namespaces", headers={"Accept": accept}).json["kind"] == kind


@pytest.mark.parametrize("accept", ["application/vnd.kubernetes.protobuf", "text/html", "application/cbor"])
def test_a_form_that_cannot_be_made_is_not_acceptable(api: Client, accept: str) -> None:
    answer = api.get("/api/v1/namespaces", headers={"Accept": accept})
    told = "only the following media types are accepted: application/json, application/yaml"
    assert (answer.status, answer.json) == (406, status(406, "NotAcceptable", told))


def test_one_object_as_a_table_as_metadata_and_as_neither(api: Client) -> None:
    path = "/api/v1/namespaces/default"

    def form(name: str) -> dict[str, str]:
        return {"Accept": f"application/json;as={name};v=v1;g=meta.k8s.io"}

    table = api.get(path, headers=form("Table"), includeObject="Object").json
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Status", "Age"]
    assert table["rows"][0]["cells"][:2] == ["default", "Active"]
    assert table["rows"][0]["object"]["kind"] == "Namespace"
    assert api.get(path, headers=form("Table")).json["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    metadata = api.get(path, headers=form("PartialObjectMetadata")).json
    assert (metadata["kind"], metadata["metadata"]["name"]) == ("PartialObjectMetadata", "default")
    assert "spec" not in metadata
    assert api.get(path, headers=form("PartialObjectMetadataList")).status == 406
    assert api.get("/api/v1/namespaces", headers=form("PartialObjectMetadata")).status == 406
    wrong = api.get(path, headers=form("Table"), includeObject="All")
    told = (
        "Unable to convert to Table as requested: includeObject: Invalid value: \"All\": must be 'Metadata', "
        "'Object', 'None', or empty"
    )
    assert (wrong.status, wrong.json) == (400, status(400, "BadRequest", told))


def test_a_large_answer_is_compressed_for_those_who_can_read_it(api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("large", a="x" * 200_000))
    path = path_of(ns, "configmaps", "large")
    packed = api.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    plain = api.get(path)
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body
    small = api.get("/api/v1/namespaces/default", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers


def test_a_compressed_body_is_read_within_the_same_bounds(api: Client, ns: str) -> None:
    path = path_of(ns, "configmaps")
    packed = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(config_map("packed")).encode())
    assert api.post(path, body, headers=packed).status == 201
    with api.unchanged():
        bomb = api.post(path, gzip.compress(b" " * (4 * 1024 * 1024)), headers=packed)
        assert (bomb.status, bomb.message) == (413, "Request entity too large: limit is 3145728")
        for wrong in (b"not gzip", body[:-9]):
            assert api.post(path, wrong, headers=packed).json["reason"] == "BadRequest"


def test_a_connection_serves_many_requests_after_refused_ones_too(server: TestServer, ns: str) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=server.tls)
    headers = {"Authorization": f"Bearer {server.token()}", "Content-Type": "application/json"}
    connection.connect()
    socket = connection.sock
    for body in (b"{", b" " * (4 * 1024 * 1024), json.dumps(config_map("kept")).encode()):
        connection.request("POST", path_of(ns, "configmaps"), body, headers)
        answer = connection.getresponse()
        answer.read()
        assert connection.sock is socket
    assert answer.status == 201
    connection.close()


def test_the_callers_timeout_is_read_as_go_reads_durations(api: Client) -> None:
    for good in ("30s", "1m30s", "1.5h", "500ms", "0"):
        assert api.get("/api/v1/namespaces/default", timeout=good).status == 200
    answer = api.get("/api/v1/namespaces/default", timeout="soon")
    told = 'invalid timeout specified in the request URL - time: invalid duration "soon"'
    assert (answer.status, answer.json) == (400, status(400, "BadRequest", told))
    late = api.get("/api/v1/namespaces/default", timeout="1ns")
    told = "Timeout: request did not complete within requested timeout - context deadline exceeded"
    assert (late.status, late.json) == (504, status(504, "Timeout", told))


def test_discovery_promises_what_is_served(api: Client) -> None:
    resources = api.get("/api/v1").json["resources"]
    assert {"pods", "pods/log", "pods/binding", "pods/eviction", "namespaces/finalize"} <= {
        r["name"] for r in resources
    }
    for resource in resources:
        if "/" not in resource["name"] and "list" in resource["verbs"]:
            assert api.get(f"/api/v1/{resource['name']}").status == 200


def test_every_listable_kind_answers_a_list_and_a_table(api: Client) -> None:
    groups = api.get("/apis").json["groups"]
    for group in groups:
        for version in group["versions"]:
            root = f"/apis/{version['groupVersion']}"
            for resource in api.get(root).json["resources"]:
                if "list" not in resource["verbs"]:
                    continue
                answer = api.get(f"{root}/{resource['name']}")
                assert (answer.status, answer.json["kind"]) == (200, resource["kind"] + "List")
                as_table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
                assert api.get(f"{root}/{resource['name']}", headers=as_table).json["kind"] == "Table"
