"""What exists of a Subscription's selection at one resourceVersion: where a subscriber of Everything begins.

All lists are of the same number, so that together with the changes behind that number they tell everything once. The
objects come as changes of type ADDED, in order of their own resourceVersions.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from broker import subjects
from broker.api import Api, ApiRefused
from broker.change import Change, frame
from broker.labels import matcher
from broker.selection import ANY, PODS

Obj = dict[str, Any]

DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
PAGE = 500
_GONE = 410
_TRIES = 5


class NothingSelected(ValueError):
    """The API server has none of the selected resources."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`changes` are in order; none is newer than `rv`."""

    rv: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class _Listed:
    """One resource as the API server lists it, and what of it is selected."""

    group: str
    version: str
    resource: str
    kind: str
    name: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str) -> str:
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.resource}" if namespace else f"{root}/{self.resource}"


async def take(api: Api, spec: Mapping[str, Any]) -> Snapshot:
    """Of what a Subscription's `spec` selects. Raises ApiError, NothingSelected."""
    listed = _selected(spec, await _discovered(api))
    if not listed:
        raise NothingSelected("the API server has none of the selected resources")
    for _ in range(_TRIES):
        try:
            return await _take(api, spec, listed)
        except ApiRefused as err:
            if err.code != _GONE:  # else the changes since are too many for pages of one number: begin anew
                raise
    return await _take(api, spec, listed)


async def _take(api: Api, spec: Mapping[str, Any], listed: Sequence[_Listed]) -> Snapshot:
    namespace = spec.get("namespace") or ""
    first = await api.get(listed[0].path(namespace), {"limit": "1"})
    rv = int(first["metadata"]["resourceVersion"])
    matches = matcher(spec.get("labelSelector"))
    found: dict[int, Change] = {}
    for one in listed:
        async for obj in _objects(api, one, spec, rv):
            if matches is None or matches(obj["metadata"].get("labels") or {}):
                change = _added(one, obj)
                found.setdefault(change.rv, change)  # Events are served by two groups: the core group's count
    return Snapshot(rv, [found[number] for number in sorted(found)])


async def _objects(api: Api, one: _Listed, spec: Mapping[str, Any], rv: int) -> AsyncIterator[Obj]:
    query = {"limit": str(PAGE), "fieldSelector": _fields(one, spec)}
    stretch = {"resourceVersion": str(rv), "resourceVersionMatch": "Exact"}
    while stretch:
        asked = {key: value for key, value in (query | stretch).items() if value}
        page = await api.get(one.path(spec.get("namespace") or ""), asked)
        for item in page["items"]:
            yield {"apiVersion": one.api_version, "kind": one.kind, **item}
        token = page["metadata"].get("continue")
        stretch = {"continue": token} if token else {}


def _fields(one: _Listed, spec: Mapping[str, Any]) -> str:
    selected = [f"metadata.name={one.name}"] if one.name else []
    if spec.get("node") and (one.group, one.resource) == PODS:
        selected.append(f"spec.nodeName={spec['node']}")
    return ",".join(selected)


def _added(one: _Listed, obj: Obj) -> Change:
    meta = obj["metadata"]
    node = (obj.get("spec") or {}).get("nodeName") or "" if (one.group, one.resource) == PODS else None
    subject = subjects.subject_for(one.group, one.resource, meta.get("namespace") or "", meta["name"], node=node)
    return Change(int(meta["resourceVersion"]), subject, frame("ADDED", orjson.dumps(obj)))


async def _discovered(api: Api) -> list[tuple[str, Obj]]:
    """Every group of the server with its preferred version."""
    found: list[tuple[str, Obj]] = []
    for path in ("/api", "/apis"):
        told = await api.get(path, accept=DISCOVERY)
        found += [(item["metadata"].get("name", ""), item["versions"][0]) for item in told["items"]]
    return found


def _selected(spec: Mapping[str, Any], discovered: Sequence[tuple[str, Obj]]) -> list[_Listed]:
    """Each resource, and each single object, once."""
    wanted = [(r.get("group") or "", r["resource"], r.get("name") or "") for r in spec["resources"]]
    found: dict[_Listed, None] = {}
    for group, version in discovered:
        for resource in version.get("resources", ()):
            namespaced = resource["scope"] == "Namespaced"
            if "list" not in resource["verbs"] or "watch" not in resource["verbs"]:
                continue
            if spec.get("namespace") and not namespaced:
                continue
            for name in _names(wanted, group, resource["resource"]):
                kind = resource["responseKind"]["kind"]
                found[_Listed(group, version["version"], resource["resource"], kind, name)] = None
    return list(found)


def _names(wanted: Sequence[tuple[str, str, str]], group: str, resource: str) -> Sequence[str]:
    """The names that are selected of a resource; one empty name: all."""
    names = {name for g, r, name in wanted if g in (group, ANY) and r in (resource, ANY)}
    return [""] if "" in names else sorted(names)
