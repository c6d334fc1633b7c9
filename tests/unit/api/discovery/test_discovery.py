"""What discovery says, held against the registry, against itself in its other form, and against upstream's facts."""

import re
from typing import Any

import pytest

from apiserver.api import discovery
from apiserver.api.resources import Registry, Resource, StorageRef, builtin

SERVED = {
    ("status", "get"),
    ("status", "update"),
    ("status", "patch"),
    ("scale", "get"),
    ("scale", "update"),
    ("eviction", "create"),
    ("log", "get"),
}
# https://semver.org, as k8s.io/apimachinery/pkg/util/version reads it: no leading zeros, dotted build metadata.
SEMVER = re.compile(r"^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return builtin(SERVED)


def legacy(registry: Registry) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """(group, version) → what the resource list of it says, without what the aggregated form leaves out."""
    found = {}
    for group in registry.groups():
        for version in registry.versions(group):
            entries = discovery.api_resource_list(registry, group, version)["resources"]
            found[(group, version)] = [{k: v for k, v in e.items() if k != "storageVersionHash"} for e in entries]
    return found


def as_legacy(document: dict[str, Any]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """An aggregated document as client-go turns it into resource lists."""
    return {
        (item["metadata"].get("name", ""), version["version"]): sorted(
            (entry for resource in version["resources"] for entry in entries_of(resource)), key=lambda e: e["name"]
        )
        for item in document["items"]
        for version in item["versions"]
    }


def entries_of(resource: dict[str, Any]) -> list[dict[str, Any]]:
    namespaced = resource["scope"] == "Namespaced"
    optional = {k: resource[k] for k in ("shortNames", "categories") if k in resource}
    main = {
        "name": resource["resource"],
        "singularName": resource["singularResource"],
        "namespaced": namespaced,
        "verbs": resource["verbs"],
        **kind_of(resource),
        **optional,
    }
    below = [
        {
            "name": f"{resource['resource']}/{sub['subresource']}",
            "singularName": "",
            "namespaced": namespaced,
            "verbs": sub["verbs"],
            **kind_of(sub),
        }
        for sub in resource.get("subresources", ())
    ]
    return [main, *below]


def kind_of(described: dict[str, Any]) -> dict[str, str]:
    return {k: v for k, v in described["responseKind"].items() if v}


@pytest.mark.parametrize("version", ["v2", "v2beta1"])
def test_the_aggregated_form_says_what_the_resource_lists_say(registry: Registry, version: str) -> None:
    core = discovery.aggregated(registry, "/api", version=version)
    groups = discovery.aggregated(registry, "/apis", version=version)
    assert {d["apiVersion"] for d in (core, groups)} == {f"apidiscovery.k8s.io/{version}"}
    assert {**as_legacy(core), **as_legacy(groups)} == legacy(registry)


def test_the_groups_of_both_forms_come_in_one_order(registry: Registry) -> None:
    named = [g["name"] for g in discovery.api_group_list(registry)["groups"]]
    assert named == [g["metadata"]["name"] for g in discovery.aggregated(registry, "/apis", version="v2")["items"]]
    assert named[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]


def test_the_first_version_of_a_group_is_the_preferred_one(registry: Registry) -> None:
    group = discovery.api_group(registry, "autoscaling")
    assert group["kind"] == "APIGroup"
    assert [v["groupVersion"] for v in group["versions"]] == ["autoscaling/v2", "autoscaling/v1"]
    assert group["preferredVersion"] == group["versions"][0]


def test_only_answered_subresources_and_verbs_are_listed(registry: Registry) -> None:
    entries = {e["name"]: e["verbs"] for e in legacy(registry)[("", "v1")]}
    assert sorted(n for n in entries if n.startswith("pods/")) == ["pods/eviction", "pods/log", "pods/status"]
    assert entries["replicationcontrollers/scale"] == ["get", "update"]
    assert "pods/exec" in {e["name"] for e in legacy(builtin())[("", "v1")]}


def test_a_subresource_names_its_version_only_where_it_is_not_its_parents(registry: Registry) -> None:
    entries = {e["name"]: e for e in legacy(registry)[("apps", "v1")]}
    assert (entries["deployments/scale"]["group"], entries["deployments/scale"]["version"]) == ("autoscaling", "v1")
    assert "group" not in entries["deployments/status"]


def test_storage_hashes_are_upstreams(registry: Registry) -> None:
    core = {e["name"]: e for e in discovery.api_resource_list(registry, "", "v1")["resources"]}
    assert core["pods"]["storageVersionHash"] == "xPOwRZ+Yhw8="
    assert core["configmaps"]["storageVersionHash"] == "qFsyl6wFWjQ="
    assert "storageVersionHash" not in core["componentstatuses"]
    events = discovery.api_resource_list(registry, "events.k8s.io", "v1")["resources"][0]
    assert events["storageVersionHash"] == core["events"]["storageVersionHash"], "both versions are stored as one"


def test_the_core_groups_list_has_no_api_version_and_the_others_have(registry: Registry) -> None:
    core = discovery.api_resource_list(registry, "", "v1")
    assert (core["groupVersion"], "apiVersion" in core) == ("v1", False)
    apps = discovery.api_resource_list(registry, "apps", "v1")
    assert (apps["groupVersion"], apps["apiVersion"]) == ("apps/v1", "v1")


def test_the_root_lists_every_group_and_version_once(registry: Registry) -> None:
    paths = discovery.paths(registry)
    assert paths == sorted(set(paths))
    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v3", "/readyz"} <= set(paths)


def test_a_resource_that_is_added_while_serving_is_discovered_and_one_that_is_removed_is_not() -> None:
    registry = builtin(SERVED)
    widget = Resource(
        group="example.com",
        version="v1",
        plural="widgets",
        kind="Widget",
        namespaced=True,
        verbs=("get", "list"),
        definition="",
        storage=StorageRef("example.com", "widgets", "v1"),
        singular="widget",
    )
    registry.add(widget)
    assert discovery.api_group_list(registry)["groups"][-1]["name"] == "example.com"
    assert discovery.api_resource_list(registry, "example.com", "v1")["resources"][0]["kind"] == "Widget"
    registry.remove("example.com", "v1", "widgets")
    assert "/apis/example.com" not in discovery.paths(registry)


@pytest.mark.parametrize("version", ["0.1.0", "1.2.dev3+local_build", "0.1.0rc1"])
def test_the_version_is_one_that_clients_can_compare(version: str) -> None:
    info = discovery.version_info(version)
    assert SEMVER.match(info["gitVersion"])
    assert info["gitVersion"].startswith(f"v{info['major']}.{info['minor']}.0+backbeat-")
    assert all(isinstance(value, str) for value in info.values())
