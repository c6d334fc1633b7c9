"""Which resources are served: group, version, names, verbs, subresources, and where the objects are stored.

`builtin()` makes a registry of upstream's stable groups, read off `data/resources-1.36.json`; `REGISTRY` is one of all
that upstream has, and a server's own has only the subresources that it answers. Resources may be added and removed
while it runs: every read sees either the old set or the new one, never a mixture, since a change replaces the tables
and does not touch them.

Two served versions of one kind share their storage: HorizontalPodAutoscaler is kept as autoscaling/v2, Event as v1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources as package_data
from types import MappingProxyType
from typing import Any

import orjson

GroupVersionKind = tuple[str, str, str]

GROUP_ORDER = (
    "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
    "autoscaling", "batch", "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io",
    "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "scheduling.k8s.io",
    "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io",
)  # fmt: skip
"""The order of discovery: kubectl resolves a short name to the first group that has it. Others follow by name."""

_STORED_AS = {
    ("autoscaling", "v1", "horizontalpodautoscalers"): ("autoscaling", "horizontalpodautoscalers", "v2"),
    ("events.k8s.io", "v1", "events"): ("", "events", "v1"),
}
_PACKAGES = {
    "": "io.k8s.api.core",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    "broker.backbeat.dev": "dev.backbeat.broker",
}


class ResourceExists(ValueError):
    """The group, version and plural are served already."""


@dataclass(frozen=True, slots=True)
class StorageRef:
    """Where the objects of a resource are kept, and in which version."""

    group: str
    resource: str
    version: str


@dataclass(frozen=True, slots=True)
class Subresource:
    """`deployments/scale`: its name, and the kind that it takes and answers."""

    name: str
    kind: str
    group: str
    version: str
    verbs: tuple[str, ...]

    @property
    def definition(self) -> str:
        """The name of the kind's OpenAPI definition."""
        return definition_of(self.group, self.version, self.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One served resource of one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    definition: str
    """The name of the kind's OpenAPI definition: `io.k8s.api.apps.v1.Deployment`."""
    storage: StorageRef
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvk(self) -> GroupVersionKind:
        return (self.group, self.version, self.kind)


class Registry:
    """The resources that one server serves. See the module's docstring for what a reader sees during a change."""

    def __init__(self, served: Iterable[Resource] = ()) -> None:
        self._by_name: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[GroupVersionKind, Resource] = {}
        self._versions: dict[str, tuple[str, ...]] = {}
        self.revision = 0
        """Counts the changes: whoever keeps something made of the registry makes it anew when this has moved."""
        for resource in served:
            self.add(resource)

    def add(self, resource: Resource) -> None:
        """Serve one more. Raises ResourceExists."""
        key = (resource.group, resource.version, resource.plural)
        if key in self._by_name:
            raise ResourceExists(f"{resource.plural} of {resource.api_version} is served already")
        self._replace({**self._by_name, key: resource})

    def remove(self, group: str, version: str, plural: str) -> Resource | None:
        """Serve it no longer. Returns what was served."""
        key = (group, version, plural)
        removed = self._by_name.get(key)
        if removed is not None:
            self._replace({k: r for k, r in self._by_name.items() if k != key})
        return removed

    def _replace(self, by_name: dict[tuple[str, str, str], Resource]) -> None:
        versions: dict[str, dict[str, None]] = {}
        for group, version, _ in by_name:
            versions.setdefault(group, {})[version] = None
        ordered = {g: tuple(versions[g]) for g in sorted(versions, key=_rank)}
        by_kind = {r.gvk: r for r in reversed(by_name.values())}
        self._by_name, self._by_kind, self._versions = by_name, by_kind, ordered
        self.revision += 1

    def lookup(self, group: str, version: str, plural: str) -> Resource | None:
        return self._by_name.get((group, version, plural))

    def by_kind(self, group: str, version: str, kind: str) -> Resource | None:
        return self._by_kind.get((group, version, kind))

    def all(self) -> Sequence[Resource]:
        """Every resource, in the order in which they were added."""
        return tuple(self._by_name.values())

    def groups(self) -> Sequence[str]:
        """The served groups in the order of discovery; the core group is the empty string."""
        return tuple(self._versions)

    def versions(self, group: str) -> Sequence[str]:
        """The served versions of a group, the preferred one first; empty for a group that is not served."""
        return self._versions.get(group, ())

    def preferred_version(self, group: str) -> str:
        """Raises KeyError for a group that is not served."""
        return self._versions[group][0]

    def has(self, group: str, version: str) -> bool:
        return version in self._versions.get(group, ())

    def in_version(self, group: str, version: str) -> Sequence[Resource]:
        """The resources of one group and version, by name."""
        found = (r for (g, v, _), r in self._by_name.items() if (g, v) == (group, version))
        return sorted(found, key=lambda r: r.plural)


def _rank(group: str) -> tuple[int, str]:
    return (GROUP_ORDER.index(group) if group in GROUP_ORDER else len(GROUP_ORDER), group)


def definition_of(group: str, version: str, kind: str) -> str:
    """The OpenAPI definition of an upstream kind: upstream names its Go packages by the group's first label."""
    package = _PACKAGES.get(group) or f"io.k8s.api.{group.partition('.')[0]}"
    return f"{package}.{version}.{kind}"


def builtin(subresources: Collection[tuple[str, str]] | None = None) -> Registry:
    """A new registry of upstream's stable groups.

    `subresources` are the pairs of subresource and verb, such as ("scale", "get"), that the caller can answer: the
    registry has no others, so discovery and OpenAPI promise none. None means all that upstream has.
    """
    found = _served(_load())
    if subresources is None:
        return Registry(found)
    return Registry(replace(r, subresources=_only(r.subresources, subresources)) for r in found)


def _only(found: Mapping[str, Subresource], wanted: Collection[tuple[str, str]]) -> Mapping[str, Subresource]:
    kept = {name: replace(s, verbs=tuple(v for v in s.verbs if (name, v) in wanted)) for name, s in found.items()}
    return MappingProxyType({name: sub for name, sub in kept.items() if sub.verbs})


def _load() -> list[dict[str, Any]]:
    """Upstream's resources, and those of the group `broker.backbeat.dev`."""
    data = package_data.files("apiserver.api").joinpath("data")
    rows: list[dict[str, Any]] = []
    for name in ("resources-1.36.json", "resources-broker-v1.json"):
        rows += orjson.loads(data.joinpath(name).read_bytes())
    return rows


def _served(rows: list[dict[str, Any]]) -> list[Resource]:
    below: dict[tuple[str, str, str], dict[str, Subresource]] = {}
    for row in rows:
        plural, slash, name = row["resource"].partition("/")
        if slash:
            below.setdefault((row["group"], row["version"], plural), {})[name] = _subresource(row, name)
    return [_resource(row, below) for row in rows if "/" not in row["resource"]]


def _subresource(row: dict[str, Any], name: str) -> Subresource:
    # An empty responseKind in the published files means the parent's own group and version, as does none at all.
    told = row.get("responseKind") or {}
    if not told.get("version"):
        told = row
    return Subresource(name, row["kind"], told["group"], told["version"], tuple(row["verbs"]))


def _resource(row: dict[str, Any], below: Mapping[tuple[str, str, str], dict[str, Subresource]]) -> Resource:
    group, version, plural = key = (row["group"], row["version"], row["resource"])
    return Resource(
        group=group,
        version=version,
        plural=plural,
        kind=row["kind"],
        namespaced=row["namespaced"],
        verbs=tuple(row["verbs"]),
        definition=definition_of(group, version, row["kind"]),
        storage=StorageRef(*_STORED_AS.get(key, (group, plural, version))),
        singular=row["singular"],
        short_names=tuple(row.get("shortNames") or ()),
        categories=tuple(row.get("categories") or ()),
        subresources=MappingProxyType(below.get(key, {})),
    )


REGISTRY = builtin()
