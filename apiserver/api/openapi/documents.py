"""The documents below `/openapi/v3`: the index, one of each group and version, and the small ones of discovery."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from apiserver.api.openapi import operations, paths, schemas
from apiserver.api.resources import Registry

PREFIX = "/openapi/v3"

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_VERSION = "io.k8s.apimachinery.pkg.version.Info"

Paths = dict[str, Any]


def document(registry: Registry, path: str) -> bytes | None:
    """The document at a path such as `/openapi/v3/apis/apps/v1`; None where there is none.

    The index takes the hash of every document, so it makes them all: some tenths of a second of work.
    """
    if path == PREFIX:
        return orjson.dumps({"paths": _index(registry)}, option=orjson.OPT_SORT_KEYS)
    make = _makers(registry).get(path.removeprefix(PREFIX + "/"))
    return _encode(make()) if make else None


def digest(body: bytes) -> str:
    """What the index calls `hash`, and what a document's ETag quotes."""
    return hashlib.sha512(body).hexdigest().upper()


def _index(registry: Registry) -> Paths:
    return {
        name: {"serverRelativeURL": f"{PREFIX}/{name}?hash={digest(_encode(make()))}"}
        for name, make in _makers(registry).items()
    }


def _makers(registry: Registry) -> dict[str, Callable[[], Paths]]:
    """The name of every document, `apis/apps/v1`, and what makes its paths."""
    makers: dict[str, Callable[[], Paths]] = {"api": _core, "apis": _groups, "version": _version}
    for group in registry.groups():
        if group:
            makers[f"apis/{group}"] = partial(_group, group)
        for version in registry.versions(group):
            name = paths.prefix_of(group, version).removeprefix("/")
            makers[name] = partial(_group_version, registry, group, version)
    return makers


def _group_version(registry: Registry, group: str, version: str) -> Paths:
    found = {
        f"{paths.prefix_of(group, version)}/": {
            "get": operations.document_operation(
                _META + "APIResourceList",
                operation_id=f"get{operations.group_id(group, version)}APIResources",
                description="get available resources",
                tags=[operations.tag(group, version)],
            )
        }
    }
    for resource in registry.in_version(group, version):
        found.update(paths.of_resource(resource))
    return found


def _group(group: str) -> Paths:
    operation = operations.document_operation(
        _META + "APIGroup",
        operation_id=f"get{operations.group_id(group, '')}APIGroup",
        description="get information of a group",
        tags=[operations.tag(group, "").removesuffix("_")],
    )
    return {f"/apis/{group}/": {"get": operation}}


def _core() -> Paths:
    operation = operations.document_operation(
        _META + "APIVersions",
        operation_id="getCoreAPIVersions",
        description="get available API versions",
        tags=["core"],
    )
    return {"/api/": {"get": operation}}


def _groups() -> Paths:
    operation = operations.document_operation(
        _META + "APIGroupList",
        operation_id="getAPIVersions",
        description="get available API versions",
        tags=["apis"],
    )
    return {"/apis/": {"get": operation}}


def _version() -> Paths:
    operation = operations.document_operation(
        _VERSION,
        operation_id="getCodeVersion",
        description="get the version information for this server",
        tags=["version"],
    )
    return {"/version/": {"get": operation}}


def _encode(found: Paths) -> bytes:
    """The whole document. Keys are sorted, so that equal documents are equal bytes."""
    whole = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": found,
        "components": {
            "schemas": schemas.components(schemas.references_in(found)),
            "securitySchemes": {
                "BearerToken": {
                    "description": "Bearer Token authentication",
                    "in": "header",
                    "name": "authorization",
                    "type": "apiKey",
                }
            },
        },
    }
    return orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
