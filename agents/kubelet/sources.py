"""ConfigMaps and Secrets that a pod uses, also while the API server is away.

Every object that was read for a pod is kept in the pod's directory (0600, in a directory of 0700), and is given when
the API server cannot be asked: so containers restart without it, also after the kubelet itself restarted. An answer of
the API server is always believed: an object that it says does not exist is not served from the disk.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

from agents.kubelet.container_dir import write_private
from apiserver.api.status import NotFound, ServiceUnavailable, StatusError, TooManyRequests, Unauthorized

log = structlog.get_logger(__name__)

Obj = dict[str, Any]
Fetch = Callable[[str, str, str], Awaitable[Obj]]
"""(resource, namespace, name) → the object. Raises StatusError, or OSError and TimeoutError when nobody answers."""

_TITLES = {"configmaps": "configmap", "secrets": "secret"}
_AWAY = (ServiceUnavailable, TooManyRequests, Unauthorized)


class SourceMissing(Exception):
    """An object that the pod needs is not there, or may not be read. The message is shown to users."""


class Sources:
    """The objects of one pod."""

    def __init__(self, fetch: Fetch, namespace: str, folder: Path | None) -> None:
        """`folder` None keeps nothing."""
        self._fetch = fetch
        self._namespace = namespace
        self._folder = folder

    async def data(self, resource: str, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
        """The keys of a ConfigMap or Secret. None where it is missing and optional. Raises SourceMissing."""
        try:
            found = await self._get(resource, name)
        except NotFound as err:
            if optional:
                return None
            raise SourceMissing(f'{_TITLES[resource]} "{name}" not found') from err
        return _bytes(found)

    async def _get(self, resource: str, name: str) -> Obj:
        try:
            found = await self._fetch(resource, self._namespace, name)
        except NotFound:
            raise
        except _AWAY as err:
            return await self._kept(resource, name, err)
        except StatusError as err:
            if err.code >= 500:
                return await self._kept(resource, name, err)
            raise SourceMissing(err.message) from err
        except (OSError, TimeoutError) as err:
            return await self._kept(resource, name, err)
        await self._keep(resource, name, found)
        return found

    async def _keep(self, resource: str, name: str, found: Obj) -> None:
        if self._folder is not None:
            await asyncio.to_thread(self._write, self._folder / f"{resource}.{name}.json", orjson.dumps(found))

    def _write(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, content)

    async def _kept(self, resource: str, name: str, why: Exception) -> Obj:
        path = self._folder / f"{resource}.{name}.json" if self._folder else None
        if path is None or not path.exists():
            raise SourceMissing(f'cannot read {_TITLES[resource]} "{name}": {why}') from why
        log.info("the API server is away, an object kept on disk is used", resource=resource, name=name)
        kept: Obj = orjson.loads(await asyncio.to_thread(path.read_bytes))
        return kept


def _bytes(found: Obj) -> dict[str, bytes]:
    is_secret = found.get("kind") == "Secret"
    data = found.get("data") or {}
    if is_secret:
        return {k: base64.b64decode(v or "") for k, v in data.items()}
    plain = {k: v.encode() for k, v in data.items()}
    return plain | {k: base64.b64decode(v) for k, v in (found.get("binaryData") or {}).items()}
