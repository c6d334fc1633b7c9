"""Which resources the API server serves, for controllers that reach every kind. Asked again when it is old."""

from __future__ import annotations

import time
from typing import Any

from agents.client.resources import ResourceRef
from agents.client.rest import RestClient

FRESH_SECONDS = 30.0
_ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Discovery:
    """The preferred version of every resource that can be listed and deleted."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self._refs: list[ResourceRef] = []
        self._until = 0.0

    async def namespaced(self) -> list[ResourceRef]:
        return [ref for ref in await self.all() if ref.namespaced]

    async def all(self) -> list[ResourceRef]:
        if time.monotonic() >= self._until:
            found: list[ResourceRef] = []
            for path in ("/api", "/apis"):
                found += refs_of(await self._rest.get_json(path, accept=_ACCEPT))
            self._refs = found
            self._until = time.monotonic() + FRESH_SECONDS
        return self._refs


def refs_of(document: dict[str, Any]) -> list[ResourceRef]:
    """The first (preferred) version of each group, without what is only another face of something stored elsewhere."""
    refs: list[ResourceRef] = []
    for group in document["items"]:
        name = group.get("metadata", {}).get("name", "")
        if name == "events.k8s.io" or not group.get("versions"):
            continue  # the core group's events are the same objects
        version = group["versions"][0]
        refs.extend(
            ResourceRef(
                group=name,
                version=version["version"],
                resource=resource["resource"],
                kind=resource["responseKind"]["kind"],
                namespaced=resource["scope"] == "Namespaced",
            )
            for resource in version.get("resources", ())
            if {"list", "delete", "watch"} <= set(resource["verbs"])
        )
    return refs
