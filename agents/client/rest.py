"""Commands and reads over the Kubernetes REST API. What is tried again, and how errors are told: see `transport`.

Refusals are the classes of `apiserver.api.status`; an API server that is away is ApiUnavailable.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from agents.client.config import ApiConfig
from agents.client.resources import ResourceRef, path
from agents.client.transport import PATIENCE_SECONDS, ApiUnavailable, Guard, MayNotWrite, Transport
from apiserver.api import status

__all__ = [
    "JSON_PATCH",
    "MERGE",
    "PATIENCE_SECONDS",
    "STRATEGIC",
    "ApiUnavailable",
    "MayNotWrite",
    "ObjectList",
    "RestClient",
]

Obj = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_ONLY_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PAGE = 500


@dataclass(frozen=True, slots=True)
class ObjectList:
    items: Sequence[Obj]
    resource_version: str


class RestClient:
    """One client per process; it keeps its connections. Use as an async context manager."""

    def __init__(self, config: ApiConfig, *, user_agent: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.config = config
        self._transport = Transport(config, user_agent=user_agent, patience_seconds=patience_seconds)
        self._guard: Guard | None = None

    def guarded(self, may_write: Callable[[], bool], *, fence: Callable[[], str] = lambda: "") -> RestClient:
        """A client over the same connections that asks before each try of a write. Its writes raise MayNotWrite, and
        Conflict when the API server finds that the lease of the `fence` has another holder."""
        other = RestClient(self.config, user_agent="")
        other._transport = self._transport
        other._guard = Guard(may_write, fence)
        return other

    async def __aenter__(self) -> RestClient:
        self._transport.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    async def get(
        self, ref: ResourceRef, name: str, *, namespace: str = "", subresource: str = "", metadata_only: bool = False
    ) -> Obj:
        headers = {"Accept": METADATA_ONLY} if metadata_only else None
        return await self._transport.read(path(ref, namespace, name, subresource), headers=headers)

    async def get_json(self, url_path: str, *, accept: str = "application/json") -> Obj:
        """A document that is not an object: discovery, version."""
        return await self._transport.read(url_path, headers={"Accept": accept})

    async def list(
        self,
        ref: ResourceRef,
        *,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> ObjectList:
        """Everything, in pages of one snapshot. Starts over when the snapshot expires between two pages."""
        query = _selectors(label_selector, field_selector)
        while True:
            try:
                return await self._list(ref, namespace, query, metadata_only=metadata_only)
            except status.Expired:
                continue

    async def _list(
        self, ref: ResourceRef, namespace: str, query: dict[str, str], *, metadata_only: bool
    ) -> ObjectList:
        items: list[Obj] = []
        token = ""
        headers = {"Accept": METADATA_ONLY_LIST} if metadata_only else None
        while True:
            page = await self._transport.read(
                path(ref, namespace),
                query={**query, "limit": str(PAGE), **({"continue": token} if token else {})},
                headers=headers,
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
        propagation_policy: str = "",
    ) -> None:
        await self._write(
            "DELETE",
            path(ref, namespace),
            body=_delete_options(grace_period_seconds, propagation_policy, {}),
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
        async for line in self._transport.lines(path(ref, namespace), query=query):
            frame = orjson.loads(line)
            yield frame["type"], frame["object"]

    async def _write(
        self,
        method: str,
        url_path: str,
        *,
        body: Any,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Obj:
        return await self._transport.write(
            method, url_path, body=body, content_type=content_type, query=query, guard=self._guard
        )


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
