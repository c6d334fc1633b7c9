"""Everything that is fixed about one served resource, gathered once: schema, rules, where it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from apiserver.api import conversion
from apiserver.api.kinds.base import KindRules, rules_for
from apiserver.api.resources import REGISTRY, Registry, Resource, StorageRef
from apiserver.api.schema import Schema, schema_for
from apiserver.rest import versions
from apiserver.store.base import Key, StoredResource
from broker import subjects

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One group, version and resource."""

    resource: Resource
    rules: KindRules
    schema: Schema
    stored: StoredResource
    converted: bool
    """True where the served version is not the stored one."""
    has_status: bool
    deprecation: str = ""
    """What every client that uses it is warned of."""

    @property
    def api_version(self) -> str:
        r = self.resource
        return f"{r.group}/{r.version}" if r.group else r.version

    @property
    def kind(self) -> str:
        return self.resource.kind

    def key(self, namespace: str, name: str) -> Key:
        return Key(self.stored, namespace, name)

    def to_storage(self, obj: Obj) -> Obj:
        return conversion.to_storage(self.resource, obj) if self.converted else obj

    def from_storage(self, obj: Obj) -> Obj:
        return conversion.from_storage(self.resource, obj) if self.converted else obj

    def subject(self, obj: Obj) -> str:
        """Pods carry their node, so that a kubelet's filter is matched inside NATS."""
        meta = obj["metadata"]
        node = obj.get("spec", {}).get("nodeName", "") if self.stored == PODS else None
        return subjects.subject_for(
            self.stored.group, self.stored.resource, meta.get("namespace", ""), meta["name"], node=node
        )


PODS = StoredResource("", "pods")
NAMESPACES = StoredResource("", "namespaces")
EVENTS = StoredResource("", "events")


_DEPRECATED = {
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}


class Endpoints:
    """Finds the endpoint of a path; builds each at its first use."""

    def __init__(self, registry: Registry = REGISTRY) -> None:
        self.registry = registry
        self._built: dict[tuple[str, str, str], Endpoint] = {}

    def find(self, group: str, version: str, resource: str) -> Endpoint | None:
        key = (group, version, resource)
        found = self._built.get(key)
        if found is None:
            known = self.registry.lookup(group, version, resource)
            if known is None:
                return None
            found = self._built[key] = self._build(known)
        return found

    def shape(self, group: str, version: str, kind: str, definition: str) -> Endpoint:
        """An endpoint for a body that is not stored under its own kind: Scale, Binding, Eviction, reviews."""
        key = (group, version, f"kind={kind}")
        found = self._built.get(key)
        if found is None:
            found = self._built[key] = self._build(
                Resource(
                    group=group,
                    version=version,
                    plural=kind.lower() + "s",
                    kind=kind,
                    namespaced=True,
                    verbs=(),
                    definition=definition,
                    storage=StorageRef(group, kind.lower() + "s", version),
                )
            )
        return found

    def stored_as(self, stored: StoredResource) -> Endpoint | None:
        """The endpoint that serves the stored version of a stored resource."""
        for resource in self.registry.all():
            if (resource.storage.group, resource.storage.resource) == (stored.group, stored.resource):
                return self.find(resource.storage.group, resource.storage.version, resource.storage.resource)
        return None

    def _build(self, resource: Resource) -> Endpoint:
        storage = resource.storage
        return Endpoint(
            resource=resource,
            rules=_rules(resource),
            schema=schema_for(resource.definition),
            stored=StoredResource(storage.group, storage.resource),
            converted=(storage.group, storage.version) != (resource.group, resource.version),
            has_status="status" in resource.subresources,
            deprecation=_DEPRECATED.get((resource.group, resource.version, resource.plural), ""),
        )


def _rules(resource: Resource) -> KindRules:
    """A kind that moved to another group has rules for each; one that has several versions has one set for all."""
    rules = rules_for(resource.group, resource.kind)
    storage = resource.storage
    if storage.group != resource.group or storage.version == resource.version:
        return rules
    return versions.converted(
        rules, partial(conversion.to_storage, resource), partial(conversion.from_storage, resource)
    )
