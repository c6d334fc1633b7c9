"""What the server says of itself: discovery, OpenAPI, version, health, metrics.

Discovery and OpenAPI documents are made once and kept as bytes with an ETag; a client that has them is told so (304).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apiserver.api import discovery, openapi
from apiserver.api.resources import Registry
from apiserver.api.status import NotAcceptable, NotFound
from apiserver.rest.http import JSON, TEXT, Response
from apiserver.rest.virtual import Health

_AGGREGATED = "as=apigroupdiscoverylist"


@dataclass(frozen=True, slots=True)
class Document:
    body: bytes
    etag: str
    content_type: bytes = JSON


class Documents:
    """Answers paths that name no resource. `serve` returns None for a path that it does not know."""

    def __init__(self, registry: Registry, *, version: str, server_address: str, health: Health) -> None:
        self._registry = registry
        self._version = version
        self._server_address = server_address
        self._health = health
        self._kept: dict[str, Document] = {}

    async def serve(self, path: str, headers: Mapping[str, str]) -> Response | None:
        if path in ("/livez", "/healthz", "/readyz") or path.startswith(("/livez/", "/readyz/")):
            return await self._healthz(path)
        if path == "/metrics":
            return Response(generate_latest(), 200, CONTENT_TYPE_LATEST.encode())
        if path == "/openapi/v2":
            raise NotAcceptable("OpenAPI v2 is not served; use /openapi/v3")
        document = await self._document(path.rstrip("/") or "/", headers.get("accept", ""))
        return _conditional(document, headers) if document else None

    async def _document(self, path: str, accept: str) -> Document | None:
        if path in ("/api", "/apis") and (form := _aggregated_version(accept)):
            return self._keep(
                f"{path} {form}",
                lambda: discovery.aggregated(self._registry, path, version=form),
                f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList".encode(),
            )
        if path.startswith("/openapi/v3"):
            return await self._openapi(path)
        maker = self._maker(path)
        return self._keep(path, maker) if maker else None

    def _maker(self, path: str) -> Callable[[], object] | None:
        parts = path.strip("/").split("/")
        match parts:
            case [""]:
                return lambda: {"paths": discovery.paths(self._registry)}
            case ["version"]:
                return lambda: discovery.version_info(self._version)
            case ["api"]:
                return lambda: discovery.api_versions(self._server_address)
            case ["apis"]:
                return lambda: discovery.api_group_list(self._registry)
            case ["api", version] if self._registry.has("", version):
                return lambda: discovery.api_resource_list(self._registry, "", version)
            case ["apis", group] if group and group in self._registry.groups():
                return lambda: discovery.api_group(self._registry, group)
            case ["apis", group, version] if group and self._registry.has(group, version):
                return lambda: discovery.api_resource_list(self._registry, group, version)
        return None

    async def _openapi(self, path: str) -> Document | None:
        kept = self._kept.get(path)
        if kept is None:
            made = await asyncio.to_thread(openapi.document, self._registry, path)
            if made is None:
                return None
            kept = self._kept[path] = _document(made, JSON)
        return kept

    def _keep(self, key: str, make: Callable[[], object], content_type: bytes = JSON) -> Document:
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = _document(orjson.dumps(make()), content_type)
        return kept

    async def _healthz(self, path: str) -> Response:
        parts = await self._health() if path.startswith("/readyz") else {}
        asked = path.split("/")[2:] if path.count("/") > 1 else []
        if asked and asked[0]:
            if asked[0] not in (*parts, "ping"):
                raise NotFound("the server could not find the requested resource")
            parts = {k: v for k, v in parts.items() if k == asked[0]}
        failed = {name: why for name, why in parts.items() if why}
        if not failed:
            return Response(b"ok", 200, TEXT)
        lines = [f"[-]{name} failed: {failed[name]}" if name in failed else f"[+]{name} ok" for name in parts]
        return Response("\n".join([*lines, f"{path.split('/')[1]} check failed", ""]).encode(), 500, TEXT)


def _document(body: bytes, content_type: bytes) -> Document:
    return Document(body, '"' + hashlib.sha256(body).hexdigest()[:32].upper() + '"', content_type)


def _conditional(document: Document, headers: Mapping[str, str]) -> Response:
    etag = (b"etag", document.etag.encode())
    if document.etag in headers.get("if-none-match", ""):
        return Response(b"", 304, document.content_type, [etag])
    return Response(document.body, 200, document.content_type, [etag, (b"vary", b"Accept")])


def _aggregated_version(accept: str) -> str:
    """The discovery version of the first clause that asks for the aggregated form, in the client's order."""
    for clause in accept.lower().replace(" ", "").split(","):
        if not clause.startswith(("application/json", "*/*")):
            continue
        if _AGGREGATED not in clause or "g=apidiscovery.k8s.io" not in clause:
            return ""
        return "v2beta1" if "v=v2beta1" in clause else "v2"
    return ""
