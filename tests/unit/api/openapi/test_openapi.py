"""The OpenAPI documents are sound in themselves, and promise just what the registry serves."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from apiserver.api import openapi
from apiserver.api.openapi.operations import group_id, tag
from apiserver.api.resources import Registry, Resource, builtin

Document = dict[str, Any]

SERVED = {
    ("status", "get"),
    ("status", "update"),
    ("status", "patch"),
    ("finalize", "update"),
    ("scale", "get"),
    ("scale", "update"),
    ("scale", "patch"),
    ("binding", "create"),
    ("eviction", "create"),
    ("log", "get"),
}
REF = "#/components/schemas/"
METHODS = ("get", "put", "post", "delete", "patch")
ACTIONS = {
    "get": "get",
    "list": "list",
    "post": "create",
    "put": "update",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "deletecollection",
    "watchlist": "watch",
}
"""x-kubernetes-action → the registry's verb. The deprecated watch of one object is the verb `watch` too."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return builtin(SERVED)


@pytest.fixture(scope="module")
def index(registry: Registry) -> dict[str, str]:
    """The name of each document → the address that the index gives for it."""
    body = openapi.document(registry, "/openapi/v3")
    assert body is not None
    return {name: entry["serverRelativeURL"] for name, entry in orjson.loads(body)["paths"].items()}


@pytest.fixture(scope="module")
def documents(registry: Registry, index: dict[str, str]) -> dict[str, Document]:
    found = {}
    for name, address in index.items():
        body = openapi.document(registry, urlsplit(address).path)
        assert body is not None
        found[name] = orjson.loads(body)
    return found


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from nodes(part)
    elif isinstance(value, list):
        for part in value:
            yield from nodes(part)


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def schemas(documents: dict[str, Document], name: str) -> dict[str, Any]:
    found: dict[str, Any] = documents[name]["components"]["schemas"]
    return found


def test_the_index_has_a_document_of_every_served_version(registry: Registry, index: dict[str, str]) -> None:
    expected = {"api", "apis", "version", "api/v1"}
    for group in registry.groups():
        if group:
            expected.add(f"apis/{group}")
            expected.update(f"apis/{group}/{version}" for version in registry.versions(group))
    assert set(index) == expected


def test_the_hash_in_the_index_is_that_of_the_document(registry: Registry, index: dict[str, str]) -> None:
    for name, address in index.items():
        parts = urlsplit(address)
        assert parts.path == f"/openapi/v3/{name}"
        body = openapi.document(registry, parts.path)
        assert body is not None
        assert parse_qs(parts.query) == {"hash": [openapi.digest(body)]}


def test_equal_registries_give_equal_bytes(registry: Registry) -> None:
    path = "/openapi/v3/api/v1"
    assert openapi.document(builtin(SERVED), path) == openapi.document(registry, path)
    assert openapi.document(builtin(), path) != openapi.document(registry, path)


@pytest.mark.parametrize("path", ["/openapi/v3/apis/apps/v2", "/openapi/v3/apis/nothing.example", "/openapi/v3/api/"])
def test_there_is_no_document_of_what_is_not_served(registry: Registry, path: str) -> None:
    assert openapi.document(registry, path) is None


def test_every_reference_resolves_and_every_schema_is_referred_to(documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        referred = {n["$ref"].removeprefix(REF) for n in nodes(document) if isinstance(n.get("$ref"), str)}
        assert referred == set(document["components"]["schemas"]), name


def test_nothing_stands_beside_a_reference(documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        for node in nodes(document):
            if isinstance(node.get("$ref"), str):
                assert node.keys() == {"$ref"}, name


def test_types_are_single_words(documents: dict[str, Document]) -> None:
    """OpenAPI 3.0 has no lists of types; clients decode `type` into a string."""
    for name, document in documents.items():
        for node in nodes(document["components"]["schemas"]):
            if "properties" not in node and not isinstance(node.get("type"), dict):
                assert isinstance(node.get("type", ""), str), name


def test_every_verb_has_its_operation_and_no_operation_is_without(
    registry: Registry, documents: dict[str, Document]
) -> None:
    for group in registry.groups():
        for version in registry.versions(group):
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            assert promised(documents[name]) == served(registry, group, version), name


def promised(document: Document) -> set[tuple[str, str]]:
    """(`pods` or `pods/status`, verb) of each operation, the watches of single objects left out."""
    found = set()
    for path, _, operation in operations(document):
        action = operation.get("x-kubernetes-action")
        if action in ACTIONS:
            found.add((resource_of(path), ACTIONS[action]))
    return found


def resource_of(path: str) -> str:
    parts = path.split("/")[3 if path.startswith("/api/") else 4 :]
    if parts[0] == "watch":
        parts = parts[1:]
    if parts[:2] == ["namespaces", "{namespace}"]:
        parts = parts[2:]
    return "/".join(p for p in parts if p != "{name}")


def served(registry: Registry, group: str, version: str) -> set[tuple[str, str]]:
    found = set()
    for resource in registry.in_version(group, version):
        found.update((resource.plural, verb) for verb in resource.verbs)
        for sub in resource.subresources.values():
            found.update((f"{resource.plural}/{sub.name}", verb) for verb in sub.verbs)
    return found


def test_streams_that_take_no_object_are_left_out() -> None:
    body = openapi.document(builtin(), "/openapi/v3/api/v1")
    assert body is not None
    paths = orjson.loads(body)["paths"]
    assert "/api/v1/namespaces/{namespace}/pods/{name}/exec" not in paths
    assert "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token" in paths


def test_kubectl_finds_field_validation_at_the_patch_itself(documents: dict[str, Document]) -> None:
    """It looks for the parameter in the operation, never in the path, of whichever PATCH has the kind."""
    patches = 0
    for document in documents.values():
        for _, method, operation in operations(document):
            if method == "patch":
                patches += 1
                names = {p["name"] for p in operation["parameters"]}
                assert {"dryRun", "fieldManager", "fieldValidation"} <= names
                assert set(operation["x-kubernetes-group-version-kind"]) == {"group", "version", "kind"}
    assert patches > 50


def test_kubectl_explain_finds_the_kind_of_each_resource(registry: Registry, documents: dict[str, Document]) -> None:
    for resource in registry.all():
        name = f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"
        gvk = kind_by_path(documents[name], resource)
        assert (gvk["group"], gvk["version"], gvk["kind"]) == resource.gvk
        holders = [s for s in schemas(documents, name).values() if gvk in s.get("x-kubernetes-group-version-kind", ())]
        assert len(holders) == 1


def kind_by_path(document: Document, resource: Resource) -> dict[str, str]:
    """As kubectl's template looks for it."""
    prefix = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    for path in (f"{prefix}/{resource.plural}", f"{prefix}/namespaces/{{namespace}}/{resource.plural}"):
        for found in (document["paths"].get(path), document["paths"].get(path + "/{name}")):
            for method in METHODS:
                if found and method in found:
                    gvk: dict[str, str] = found[method]["x-kubernetes-group-version-kind"]
                    return gvk
    raise AssertionError(f"no operation of {resource.plural}")


def test_operation_ids_are_unique_and_upstreams(documents: dict[str, Document]) -> None:
    for name, document in documents.items():
        ids = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(ids) == len(set(ids)), name
    core = {(m, p): o["operationId"] for p, m, o in operations(documents["api/v1"])}
    pods = "/api/v1/namespaces/{namespace}/pods"
    assert core[("get", pods)] == "listCoreV1NamespacedPod"
    assert core[("get", "/api/v1/pods")] == "listCoreV1PodForAllNamespaces"
    assert core[("delete", pods)] == "deleteCoreV1CollectionNamespacedPod"
    assert core[("get", pods + "/{name}/log")] == "readCoreV1NamespacedPodLog"
    assert core[("post", pods + "/{name}/eviction")] == "createCoreV1NamespacedPodEviction"
    assert core[("put", "/api/v1/namespaces/{name}/finalize")] == "replaceCoreV1NamespaceFinalize"
    assert core[("get", "/api/v1/watch/pods")] == "watchCoreV1PodListForAllNamespaces"
    apps = {(m, p): o["operationId"] for p, m, o in operations(documents["apis/apps/v1"])}
    scale = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
    assert apps[("patch", scale)] == "patchAppsV1NamespacedDeploymentScale"


@pytest.mark.parametrize(
    ("group", "identifier", "tagged"),
    [
        ("", "CoreV1", "core_v1"),
        ("rbac.authorization.k8s.io", "RbacAuthorizationV1", "rbacAuthorization_v1"),
        ("flowcontrol.apiserver.k8s.io", "FlowcontrolApiserverV1", "flowcontrolApiserver_v1"),
    ],
)
def test_groups_are_written_as_upstream_writes_them(group: str, identifier: str, tagged: str) -> None:
    assert (group_id(group, "v1"), tag(group, "v1")) == (identifier, tagged)


def test_the_parameters_of_a_path_are_those_in_its_braces(documents: dict[str, Document]) -> None:
    for document in documents.values():
        for path, item in document["paths"].items():
            declared = {p["name"] for p in item.get("parameters", ()) if p["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), path


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("api/v1", ["core.v1.PodList", "core.v1.Binding", "policy.v1.Eviction", "autoscaling.v1.Scale"]),
        ("apis/apps/v1", ["apps.v1.DeploymentList", "autoscaling.v1.Scale"]),
    ],
)
def test_lists_and_the_bodies_of_subresources_are_there(
    documents: dict[str, Document], document: str, names: list[str]
) -> None:
    assert {f"io.k8s.api.{name}" for name in names} <= set(schemas(documents, document))


def test_what_every_version_needs_is_in_it(documents: dict[str, Document]) -> None:
    meta = "io.k8s.apimachinery.pkg.apis.meta.v1."
    needed = {meta + kind for kind in ("DeleteOptions", "Status", "WatchEvent", "Patch", "APIResourceList")}
    assert needed <= set(schemas(documents, "apis/coordination.k8s.io/v1"))


def test_strategic_merge_and_apply_find_their_keys(documents: dict[str, Document]) -> None:
    core = schemas(documents, "api/v1")
    containers = core["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]
    assert containers["items"] == {"$ref": REF + "io.k8s.api.core.v1.Container"}


def test_kind_and_api_version_are_free_text(documents: dict[str, Document]) -> None:
    pod = schemas(documents, "api/v1")["io.k8s.api.core.v1.Pod"]["properties"]
    assert "enum" not in pod["kind"]
    assert "enum" not in pod["apiVersion"]


def test_a_field_with_a_description_of_its_own_wraps_its_type(documents: dict[str, Document]) -> None:
    spec = schemas(documents, "api/v1")["io.k8s.api.core.v1.Pod"]["properties"]["spec"]
    assert spec["allOf"] == [{"$ref": REF + "io.k8s.api.core.v1.PodSpec"}]
    assert spec["description"]


def test_what_cannot_be_watched_has_no_parameters_of_watches(documents: dict[str, Document]) -> None:
    for path, watchable in (("/api/v1/componentstatuses", False), ("/api/v1/nodes", True)):
        operation = documents["api/v1"]["paths"][path]["get"]
        assert ("watch" in {p["name"] for p in operation["parameters"]}) is watchable
        assert ("application/json;stream=watch" in operation["responses"]["200"]["content"]) is watchable
