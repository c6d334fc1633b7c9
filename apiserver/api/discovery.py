"""Discovery: which groups, versions and resources there are, in the legacy and in the aggregated form, and `/version`.

Every function reads the registry alone and returns a document that is ready to encode, so a document can never name
a resource that the registry does not have. Both forms say the same; tests hold them against each other.
"""

from __future__ import annotations

import base64
import hashlib
import platform
import re
import sys
from typing import Any, Literal

from apiserver.api.resources import Registry, Resource, Subresource
from apiserver.api.schema_source import RELEASE

Document = dict[str, Any]

_PLAIN_PATHS = (
    "/healthz",
    "/livez",
    "/livez/ping",
    "/metrics",
    "/openapi/v3",
    "/openapi/v3/",
    "/readyz",
    "/readyz/ping",
    "/version",
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def paths(registry: Registry) -> list[str]:
    """What `/` lists: the paths that name no object."""
    found = {"/api", "/apis", "/apis/", *_PLAIN_PATHS}
    for group in registry.groups():
        prefix = f"/apis/{group}" if group else "/api"
        found.add(prefix)
        found.update(f"{prefix}/{version}" for version in registry.versions(group))
    return sorted(found)


def version_info(version: str) -> Document:
    """`/version`: the API's release, and ours as build metadata, where clients that compare releases ignore it.

    Tools print `goVersion` and `compiler` and do not read them; they say what really runs.
    """
    major, minor = RELEASE.split(".")
    machine = platform.machine().lower()
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{RELEASE}.0+backbeat-{re.sub('[^0-9A-Za-z.-]', '-', version)}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",  # what upstream says of a build that nobody stamped
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{_MACHINES.get(machine, machine)}",
    }


def api_versions(server_address: str) -> Document:
    """`/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def api_group_list(registry: Registry) -> Document:
    """`/apis`: every group but the core group, in the order in which kubectl searches them."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(registry, group) for group in registry.groups() if group],
    }


def api_group(registry: Registry, group: str) -> Document:
    """`/apis/GROUP`. Raises KeyError for a group that is not served."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, group)}


def _group(registry: Registry, group: str) -> Document:
    preferred = _version_of(group, registry.preferred_version(group))
    return {
        "name": group,
        "versions": [_version_of(group, version) for version in registry.versions(group)],
        "preferredVersion": preferred,
    }


def _version_of(group: str, version: str) -> Document:
    return {"groupVersion": f"{group}/{version}", "version": version}


def api_resource_list(registry: Registry, group: str, version: str) -> Document:
    """`/api/v1` and `/apis/GROUP/VERSION`: resources and subresources by name."""
    entries = []
    for resource in registry.in_version(group, version):
        entries.append(_entry(resource))
        entries.extend(_sub_entry(resource, sub) for sub in resource.subresources.values())
    # The core group's list has never said its apiVersion.
    head = {"kind": "APIResourceList", "apiVersion": "v1"} if group else {"kind": "APIResourceList"}
    return {
        **head,
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }


def _entry(resource: Resource) -> Document:
    entry: Document = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    if "watch" in resource.verbs:  # what can be watched is stored
        entry["storageVersionHash"] = storage_version_hash(resource)
    return entry


def _sub_entry(resource: Resource, sub: Subresource) -> Document:
    return {
        "name": f"{resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        **({"group": sub.group, "version": sub.version} if _is_foreign(resource, sub) else {}),
        "kind": sub.kind,
        "verbs": list(sub.verbs),
    }


def _names(resource: Resource) -> Document:
    named = {"shortNames": list(resource.short_names), "categories": list(resource.categories)}
    return {key: names for key, names in named.items() if names}


def storage_version_hash(resource: Resource) -> str:
    """A digest of the stored group, version and kind: equal while the storage is."""
    stored = f"{resource.storage.group}/{resource.storage.version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def aggregated(registry: Registry, path: str, *, version: Literal["v2", "v2beta1"] | str) -> Document:
    """`/api` or `/apis` as one APIGroupDiscoveryList of apidiscovery.k8s.io. v2 and v2beta1 differ in name alone."""
    groups = [group for group in registry.groups() if bool(group) == (path == "/apis")]
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_group_discovery(registry, group) for group in groups],
    }


def _group_discovery(registry: Registry, group: str) -> Document:
    return {
        "metadata": {"name": group} if group else {},
        "versions": [_version_discovery(registry, group, version) for version in registry.versions(group)],
    }


def _version_discovery(registry: Registry, group: str, version: str) -> Document:
    return {
        "version": version,
        "resources": [_resource_discovery(resource) for resource in registry.in_version(group, version)],
        "freshness": "Current",
    }


def _resource_discovery(resource: Resource) -> Document:
    found: Document = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        **_names(resource),
    }
    subs = sorted(resource.subresources.values(), key=lambda sub: sub.name)
    if subs:
        found["subresources"] = [_subresource_discovery(resource, sub) for sub in subs]
    return found


def _subresource_discovery(resource: Resource, sub: Subresource) -> Document:
    group, version = (sub.group, sub.version) if _is_foreign(resource, sub) else ("", "")
    return {
        "subresource": sub.name,
        "responseKind": {"group": group, "version": version, "kind": sub.kind},
        "verbs": list(sub.verbs),
    }


def _is_foreign(resource: Resource, sub: Subresource) -> bool:
    """Whether the subresource's kind is of another version than its parent's; only then discovery names that."""
    return (sub.group, sub.version) != (resource.group, resource.version)
