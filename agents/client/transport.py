"""One HTTP exchange with the API server, and when it is tried again.

Refusals are the classes of `apiserver.api.status`. An API server that is away is ApiUnavailable, which is a
ServiceUnavailable. A read is tried again until a deadline; a write only when it was surely not sent (no connection) or
surely not done (503, and 429 that says when to come back). After an answer that was lost on its way, the caller
decides: a reconcile looks again anyway. (aiohttp repeats a PUT or DELETE over a kept connection that turns out to be
closed; a PUT names the version that it replaces, and a second DELETE finds nothing.)
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import aiohttp
import orjson

from agents.client import cause
from agents.client.config import ApiConfig
from apiserver.api import status

Obj = dict[str, Any]
Query = Mapping[str, str | Sequence[str]]
"""Parameters of a URL; those of a sequence are repeated."""

_UNREACHABLE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)

REQUEST_TIMEOUT_SECONDS = 30.0
CONNECT_TIMEOUT_SECONDS = 3.0
PATIENCE_SECONDS = 15.0
"""How long a read, or a write that was not done, is tried again."""
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
FENCE = "Backbeat-Fence"
_CONNECTIONS = 64
_GUARDED_AT_ONCE = 48
"""Some connections are left for reads, and for the lease."""
_LINE_BYTES = 8 * 1024 * 1024
"""The longest line of a watch. Kubernetes allows objects of 1.5 MB."""


class ApiUnavailable(status.ServiceUnavailable):
    """The API server did not answer. A write may have been done."""


class NotDone(ApiUnavailable):
    """Nothing reached the server, or it said that it did nothing."""


class MayNotWrite(ApiUnavailable):
    """This process may not write now: another one may lead. Nothing was sent."""


class Guard:
    """Asked before each try of a write. Fewer pass at once than there are connections: what waited for one after it
    was asked could be sent long after the answer changed. What is held up all the same, `fence` tells the API server
    by: it refuses the write when the named lease has another holder by then."""

    def __init__(self, may_write: Callable[[], bool], fence: Callable[[], str]) -> None:
        self._may_write = may_write
        self.fence = fence
        self._turn = asyncio.Semaphore(_GUARDED_AT_ONCE)

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[None]:
        """Raises MayNotWrite."""
        async with self._turn:
            if not self._may_write():
                raise MayNotWrite("another process may lead now")
            yield


class Transport:
    """Keeps its connections. `close` may be called twice."""

    def __init__(self, config: ApiConfig, *, user_agent: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._config = config
        self._patience = patience_seconds
        self._headers = {"User-Agent": user_agent, "Accept": "application/json"}
        if config.token:
            self._headers["Authorization"] = f"Bearer {config.token}"
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._config.ssl_context() or False, limit=_CONNECTIONS)
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                read_bufsize=_LINE_BYTES,
                timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def read(self, url_path: str, *, query: Query | None = None, headers: Mapping[str, str] | None = None) -> Obj:
        return await self._patiently(
            "GET", url_path, query=query, headers=headers, data=None, again=(ApiUnavailable, status.Timeout)
        )

    async def write(
        self,
        method: str,
        url_path: str,
        *,
        body: Any,
        content_type: str = "application/json",
        query: Query | None = None,
        guard: Guard | None = None,
    ) -> Obj:
        headers = {"Content-Type": content_type}
        if (why := cause.current()) is not None:
            headers[cause.HEADER] = str(why)
        if guard is not None and (fence := guard.fence()):
            headers[FENCE] = fence
        data = orjson.dumps(body)
        return await self._patiently(
            method, url_path, query=query, headers=headers, data=data, again=(NotDone,), guard=guard
        )

    async def lines(
        self, url_path: str, *, query: Query, method: str = "GET", body: AsyncIterable[bytes] | None = None
    ) -> AsyncIterator[bytes]:
        """An answer that goes on, line by line, until the server ends it; a body may go on as well. Not tried again."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS)
        url = self._config.server + url_path
        try:
            async with self.open().request(method, url, params=query, timeout=timeout, data=body) as answer:
                if answer.status >= 400:
                    raise _refusal(answer.status, await answer.read())
                async for line in answer.content:
                    yield line
        except _UNREACHABLE as err:
            raise NotDone(f"the API server is not reachable: {err}") from err
        except (aiohttp.ClientError, TimeoutError) as err:
            raise ApiUnavailable(f"the watch was cut: {err}") from err

    async def _patiently(
        self,
        method: str,
        url_path: str,
        *,
        query: Query | None,
        headers: Mapping[str, str] | None,
        data: bytes | None,
        again: tuple[type[status.StatusError], ...],
        guard: Guard | None = None,
    ) -> Obj:
        deadline = time.monotonic() + self._patience
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                async with guard.passed() if guard is not None else nullcontext():
                    return await self._once(method, url_path, query, headers, data)
            except again as err:
                wait = max(pause, min(err.retry_after_seconds or 0, LONGEST_PAUSE_SECONDS))
                if time.monotonic() + wait > deadline:
                    raise
            await asyncio.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _once(
        self,
        method: str,
        url_path: str,
        query: Query | None,
        headers: Mapping[str, str] | None,
        data: bytes | None,
    ) -> Obj:
        url = self._config.server + url_path
        try:
            async with self.open().request(method, url, params=query, headers=headers, data=data) as answer:
                body = await answer.read()
        except _UNREACHABLE as err:
            raise NotDone(f"the API server is not reachable: {err}") from err
        except (aiohttp.ClientError, TimeoutError, OSError) as err:
            raise ApiUnavailable(f"the API server did not answer: {err or type(err).__name__}") from err
        if answer.status >= 400:
            raise _refusal(answer.status, body)
        found: Obj = orjson.loads(body)
        return found


def _refusal(code: int, body: bytes) -> status.StatusError:
    try:
        document = json.loads(body)
    except ValueError:
        document = {"message": body[:200].decode("utf-8", "replace")}
    error = status.from_status(document if isinstance(document, dict) else {}, code=code)
    comes_back = isinstance(error, status.ServiceUnavailable) or (
        isinstance(error, status.TooManyRequests) and error.retry_after_seconds
    )
    if not comes_back:
        return error
    return NotDone(error.message, causes=error.causes, retry_after_seconds=error.retry_after_seconds)
