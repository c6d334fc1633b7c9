"""What the server says of itself: discovery, OpenAPI, version.

Discovery and OpenAPI documents are made once, at least until the registry changes, and kept as bytes with an ETag; a
client that has them is told so (304).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate

import orjson

from apiserver.api import discovery, openapi
from apiserver.api.resources import Registry
from apiserver.api.status import NotAcceptable
from apiserver.rest.http import JSON, TEXT, Response
from apiserver.rest.request import Query

_AGGREGATED = {"g": "apidiscovery.k8s.io", "as": "APIGroupDiscoveryList"}
_AGGREGATED_VERSIONS = ("v2", "v2beta1")
_JSON_RANGES = ("application/json", "application/*", "*/*")
_YEAR_SECONDS = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Document:
    body: bytes
    hash: str
    content_type: bytes = JSON
    cache_control: bytes = b""


class Documents:
    """Answers paths that name no resource. `serve` returns None for a path that it does not know."""

    def __init__(self, registry: Registry, *, version: str, server_address: Callable[[], str]) -> None:
        self._registry = registry
        self._version = version
        self._server_address = server_address
        self._kept: dict[str, Document] = {}
        self._revision = registry.revision

    async def serve(self, path: str, headers: Mapping[str, str], query: Query) -> Response | None:
        if path == "/openapi/v2":
            raise NotAcceptable("OpenAPI v2 is not served; use /openapi/v3")
        path = path.rstrip("/") or "/"
        if path.startswith(openapi.PREFIX):
            return await self._openapi(path, headers, query.text("hash"))
        document = self._discovery(path, headers.get("accept", ""))
        return _conditional(document, headers) if document else None

    def _discovery(self, path: str, accept: str) -> Document | None:
        if path in ("/api", "/apis") and (form := _aggregated_version(accept)):
            return self._keep(
                f"{path} {form}",
                lambda: discovery.aggregated(self._registry, path, version=form),
                content_type=f"application/json;g=apidiscovery.k8s.io;v={form};as=APIGroupDiscoveryList".encode(),
                cache_control=b"public",
            )
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
                return lambda: discovery.api_versions(self._server_address())
            case ["apis"]:
                return lambda: discovery.api_group_list(self._registry)
            case ["api", version] if self._registry.has("", version):
                return lambda: discovery.api_resource_list(self._registry, "", version)
            case ["apis", group] if group and group in self._registry.groups():
                return lambda: discovery.api_group(self._registry, group)
            case ["apis", group, version] if group and self._registry.has(group, version):
                return lambda: discovery.api_resource_list(self._registry, group, version)
        return None

    async def _openapi(self, path: str, headers: Mapping[str, str], asked_hash: str) -> Response | None:
        """A document that is asked for by its hash never changes; one that has changed since is elsewhere."""
        kept = self._current()  # once: what is made of the registry before a change must not be kept after it
        document = kept.get(path)
        if document is None:
            made = await asyncio.to_thread(openapi.document, self._registry, path)
            if made is None:
                return None
            document = kept[path] = Document(made, openapi.digest(made))
        if not _accepts_json(headers.get("accept", "")):
            raise NotAcceptable("only the following media types are accepted: application/json")
        if not asked_hash or path == openapi.PREFIX:
            return _conditional(document, headers)
        if asked_hash != document.hash:
            return Response(b"", 301, TEXT, [(b"location", f"{path}?hash={document.hash}".encode())])
        response = _conditional(document, headers)
        expires = formatdate(time.time() + _YEAR_SECONDS, usegmt=True)
        response.headers += [(b"cache-control", b"public, immutable"), (b"expires", expires.encode())]
        return response

    def _keep(
        self, key: str, make: Callable[[], object], *, content_type: bytes = JSON, cache_control: bytes = b""
    ) -> Document:
        kept = self._current()
        document = kept.get(key)
        if document is None:
            body = orjson.dumps(make())
            document = kept[key] = Document(body, openapi.digest(body), content_type, cache_control)
        return document

    def _current(self) -> dict[str, Document]:
        """The documents that were made of the registry as it is now."""
        if self._revision != self._registry.revision:
            self._kept, self._revision = {}, self._registry.revision
        return self._kept


def _conditional(document: Document, headers: Mapping[str, str]) -> Response:
    etag = f'"{document.hash}"'
    answer = [(b"etag", etag.encode()), (b"vary", b"Accept")]
    if document.cache_control:
        answer.append((b"cache-control", document.cache_control))
    if etag in headers.get("if-none-match", ""):
        return Response(b"", 304, document.content_type, answer)
    return Response(document.body, 200, document.content_type, answer)


def _aggregated_version(accept: str) -> str:
    """The discovery version of the first clause that can be answered, in the client's order; empty for the old form."""
    for clause in accept.split(","):
        media, *rest = (part.strip() for part in clause.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media not in _JSON_RANGES:
            continue
        if "as" not in parameters:
            return ""
        if _AGGREGATED.items() <= parameters.items() and parameters.get("v") in _AGGREGATED_VERSIONS:
            return parameters["v"]
    return ""


def _accepts_json(accept: str) -> bool:
    return not accept or any(clause.partition(";")[0].strip() in _JSON_RANGES for clause in accept.split(","))
