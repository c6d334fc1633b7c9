"""Commands and reads over the Kubernetes REST API.

Refusals are the classes of `apiserver.api.status`. An API server that is away is ApiUnavailable, which is a
ServiceUnavailable: reads try again until a deadline; a write is tried again only when it was surely not sent
(the connection was refused) or surely not done (503, 429). After an answer that was lost on its way, the caller
decides: a reconcile looks again anyway.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from agents.client.config import ApiConfig
from agents.client.resources import ResourceRef, path
from apiserver.api import status

Obj = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

REQUEST_TIMEOUT_SECONDS = 30.0
PATIENCE_SECONDS = 15.0
"""How long a read, or a write that was not sent, is tried again."""
PAGE = 500
_CONNECTIONS = 64


class ApiUnavailable(status.ServiceUnavailable):
    """The API server did not answer. A write may have been done."""


class _NotSent(ApiUnavailable):
    """Nothing reached the server, or it said that it did nothing."""


@dataclass(frozen=True, slots=True)
class ObjectList:
    items: Sequence[Obj]
    resource_version: str


class RestClient:
    """One client per process; it keeps its connections. Use as an async context manager."""

    def __init__(self, config: ApiConfig, *, user_agent: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._config = config
        self._patience = patience_seconds
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if config.token:
            self._headers["Authorization"] = f"Bearer {config.token}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> RestClient:
        self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._config.ssl_context() or False, limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=3.0),
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(self, ref: ResourceRef, name: str, *, namespace: str = "", subresource: str = "") -> Obj:
        return await self._read(path(ref, namespace, name, subresource))

    async def get_json(self, url_path: str, *, accept: str = "application/json") -> Obj:
        """A document that is not an object: discovery, version."""
        return await self._read(url_path, headers={"Accept": accept})

    async def list(
        self,
        ref: ResourceRef,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> ObjectList:
        """Everything, in pages of one snapshot. Starts over when the snapshot expires between two pages."""
        while True:
            try:
                return await self._list(ref, namespace, _selectors(label_selector, field_selector))
            except status.Expired:
                continue

    async def _list(self, ref: ResourceRef, namespace: str, query: dict[str, str]) -> ObjectList:
        items: list[Obj] = []
        token = ""
        while True:
            page = await self._read(
                path(ref, namespace),
                query={**query, "limit": str(PAGE), **({"continue": token} if token else {})},
            )
            for item in page["items"]:
                item.setdefault("apiVersion", ref.api_version)
                item.setdefault("kind", ref.kind)
            items += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return ObjectList(items, page["metadata"]["resourceVersion"])

    async def create(
        self, ref: ResourceRef, obj: Obj, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> Obj:
        target = namespace or obj.get("metadata", {}).get("namespace", "")
        return await self._write("POST", path(ref, target, name, subresource), body=obj)

    async def update(self, ref: ResourceRef, obj: Obj, *, subresource: str = "") -> Obj:
        meta = obj["metadata"]
        return await self._write("PUT", path(ref, meta.get("namespace", ""), meta["name"], subresource), body=obj)

    async def patch(
        self,
        ref: ResourceRef,
        name: str,
        patch: Any,
        *,
        namespace: str = "",
        subresource: str = "",
        content_type: str = MERGE,
        resource_version: str = "",
    ) -> Obj:
        """`resource_version`: the patch holds for that version alone (not for JSON patches). Raises Conflict."""
        if resource_version:
            patch = {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": resource_version}}
        return await self._write(
            "PATCH", path(ref, namespace, name, subresource), body=patch, content_type=content_type
        )

    async def delete(
        self,
        ref: ResourceRef,
        name: str,
        *,
        namespace: str = "",
        grace_period_seconds: int | None = None,
        propagation_policy: str = "",
        uid: str = "",
        resource_version: str = "",
    ) -> Obj:
        """The object as it is now or last was, or a Status. Raises NotFound, Conflict (a precondition)."""
        preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        options = _delete_options(grace_period_seconds, propagation_policy, preconditions)
        return await self._write("DELETE", path(ref, namespace, name), body=options)

    async def delete_collection(
        self,
        ref: ResourceRef,
        *,
        namespace: str,
        label_selector: str = "",
        field_selector: str = "",
        grace_period_seconds: int | None = None,
    ) -> None:
        await self._write(
            "DELETE",
            path(ref, namespace),
            body=_delete_options(grace_period_seconds, "", {}),
            query=_selectors(label_selector, field_selector),
        )

    async def bind(self, namespace: str, pod: str, node: str, *, uid: str = "") -> None:
        """Bind a pod to a node. Raises Conflict when it is bound already."""
        meta = {"name": pod, "namespace": namespace, **({"uid": uid} if uid else {})}
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": meta,
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        pods = ResourceRef("", "v1", "pods", "Pod")
        await self._write("POST", path(pods, namespace, pod, "binding"), body=binding)

    async def watch(
        self, ref: ResourceRef, *, namespace: str = "", resource_version: str = "", field_selector: str = ""
    ) -> AsyncIterator[tuple[str, Obj]]:
        """Frames of an HTTP watch until it ends. Agents subscribe instead; tests and tools use this."""
        query = {"watch": "1", **_selectors("", field_selector)}
        if resource_version:
            query["resourceVersion"] = resource_version
        session = self._open()
        url = self._config.server + path(ref, namespace)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=3.0)
        try:
            async with session.get(url, params=query, timeout=timeout) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                async for line in answer.content:
                    frame = orjson.loads(line)
                    yield frame["type"], frame["object"]
        except (aiohttp.ClientError, TimeoutError) as err:
            raise ApiUnavailable(f"the watch was cut: {err}") from err

    async def _read(
        self, url_path: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Obj:
        return await self._patiently("GET", url_path, query=query, headers=headers, again=ApiUnavailable)

    async def _write(
        self,
        method: str,
        url_path: str,
        *,
        body: Any,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Obj:
        return await self._patiently(
            method,
            url_path,
            query=query,
            headers={"Content-Type": content_type},
            data=orjson.dumps(body),
            again=_NotSent,
        )

    async def _patiently(
        self,
        method: str,
        url_path: str,
        *,
        again: type[ApiUnavailable],
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Obj:
        deadline = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                return await self._once(method, url_path, query, headers, data)
            except again as err:
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(max(pause, min(err.retry_after_seconds or 0, 1)))
                pause = min(pause * 2, 1.0)

    async def _once(
        self,
        method: str,
        url_path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        data: bytes | None,
    ) -> Obj:
        url = self._config.server + url_path
        try:
            async with self._open().request(method, url, params=query, headers=headers, data=data) as answer:
                body = await answer.read()
        except aiohttp.ClientConnectorError as err:
            raise _NotSent(f"the API server is not reachable: {err}") from err
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise ApiUnavailable(f"the API server did not answer: {err or type(err).__name__}") from err
        if answer.status >= 400:
            raise _refusal(answer.status, body)
        found: Obj = orjson.loads(body)
        return found


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    pairs = (("labelSelector", label_selector), ("fieldSelector", field_selector))
    return {key: value for key, value in pairs if value}


def _delete_options(grace: int | None, policy: str, preconditions: Mapping[str, str]) -> Obj:
    options: Obj = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if policy:
        options["propagationPolicy"] = policy
    if preconditions:
        options["preconditions"] = dict(preconditions)
    return options


def _refusal(code: int, body: bytes) -> status.StatusError:
    try:
        document = json.loads(body)
    except ValueError:
        document = {"message": body[:200].decode("utf-8", "replace")}
    error = status.from_status(document if isinstance(document, dict) else {}, code=code)
    if code in (429, 503) and not isinstance(error, status.TooManyRequests):
        return _NotSent(error.message, retry_after_seconds=error.retry_after_seconds)
    return error
