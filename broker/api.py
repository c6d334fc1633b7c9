"""The few questions that a subscriber has for an API server, over HTTP: credentials, what exists, what was.

Answers are objects as they came, in JSON. Everything asked here may be asked twice, so an API server that is away, or
that is busy (429, 503), is asked again until `PATIENCE_SECONDS` are over. For writing to Kubernetes use a client made
for that.

ApiError
├── ApiAway       nobody answered in time: try later
└── ApiRefused    the answer is no: `code` and `reason` are those of the Status
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import orjson

from broker.grant import Grant
from broker.kubeconfig import ApiConfig, load
from broker.nkeys import KeyPair

Obj = dict[str, Any]
Query = Mapping[str, str | Sequence[str]]
T = TypeVar("T")

GROUP = "broker.backbeat.dev/v1"
SUBSCRIPTIONS = f"/apis/{GROUP}/subscriptions"
PATIENCE_SECONDS = 15.0
REQUEST_SECONDS = 30.0
PAUSE_SECONDS = 0.25
LONGEST_LINE_BYTES = 8 * 1024 * 1024
"""Of a stream of changes. Kubernetes allows objects of 1.5 MB."""
_LATER = frozenset({429, 503})


class ApiError(Exception):
    """Base of what is raised here."""


class ApiAway(ApiError):
    """No API server answered in time."""


class ApiRefused(ApiError):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class Api:
    """One API server, asked as one user. Use as an async context manager."""

    def __init__(self, config: ApiConfig, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._config = config
        self._patience = patience_seconds
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def of_kubeconfig(cls, *files: Path) -> Api:
        """Of those, or of `$KUBECONFIG`, or of `~/.kube/config`. Raises BadKubeconfig."""
        return cls(load(*(files or _usual_files())))

    async def __aenter__(self) -> Api:
        token = self._config.token
        headers = {"User-Agent": "backbeat-subscriber", **({"Authorization": f"Bearer {token}"} if token else {})}
        tls = self._config.ssl_context()
        connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=headers, read_bufsize=LONGEST_LINE_BYTES, trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, query: Query | None = None, *, accept: str = "application/json") -> Obj:
        """Raises ApiError."""
        return await self._patiently(lambda: self._document("GET", path, query=query, accept=accept))

    async def post(self, path: str, body: Obj) -> Obj:
        """What may be done twice. Raises ApiError."""
        return await self._patiently(lambda: self._document("POST", path, body=body))

    async def subscription(self, name: str) -> Obj:
        """The Subscription of that name. Raises ApiError."""
        return await self.get(f"{SUBSCRIPTIONS}/{name}")

    async def grant(self, name: str, key: KeyPair, *, lifetime_seconds: int) -> Grant:
        """Credentials for reading the Subscription, for that key. Raises ApiError, BadGrant."""
        asked = {"expirationSeconds": lifetime_seconds, "publicKey": key.public}
        request = {"apiVersion": GROUP, "kind": "SubscriptionCredentials", "spec": asked}
        now = time.time()
        answer = await self.post(f"{SUBSCRIPTIONS}/{name}/credentials", request)
        return Grant.of_answer(answer, seed=key.seed, asked_at=now)

    async def lines(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        """An answer in lines, until it ends. Not asked again when it breaks off: then ApiAway, after what came. Raises
        ApiError."""
        async with self._asked("GET", path, query=query, timeout=None) as answer:
            try:
                async for line in answer.content:
                    yield line
            except (aiohttp.ClientError, OSError, TimeoutError) as err:
                raise ApiAway(f"the answer broke off: {err or type(err).__name__}") from err

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return await ask()
            except (ApiAway, ApiRefused) as err:
                later = isinstance(err, ApiAway) or err.code in _LATER
                if not later or time.monotonic() + PAUSE_SECONDS > deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def _document(
        self, method: str, path: str, *, query: Query | None = None, body: Obj | None = None, accept: str = ""
    ) -> Obj:
        async with self._asked(method, path, query=query, body=body, accept=accept) as answer:
            try:
                found: Obj = orjson.loads(await answer.read())
            except (aiohttp.ClientError, OSError, TimeoutError) as err:
                raise ApiAway(f"the answer broke off: {err or type(err).__name__}") from err
            return found

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Obj | None = None,
        accept: str = "",
        timeout: float | None = REQUEST_SECONDS,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("use the Api as an async context manager")
        headers = {"Accept": accept or "application/json"}
        data = orjson.dumps(body) if body is not None else None
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = await self._session.request(
                method,
                self._config.server + path,
                params=_pairs(query or {}),
                data=data,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout, connect=REQUEST_SECONDS),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as err:
            raise ApiAway(f"{self._config.server} does not answer: {err or type(err).__name__}") from err
        async with answer:
            if answer.status >= 400:
                raise _refusal(answer.status, await answer.read())
            yield answer


def _pairs(query: Query) -> list[tuple[str, str]]:
    listed = {key: [value] if isinstance(value, str) else value for key, value in query.items()}
    return [(key, value) for key, values in listed.items() for value in values]


def _refusal(code: int, body: bytes) -> ApiRefused:
    try:
        told = orjson.loads(body)
        return ApiRefused(code, str(told.get("reason", "")), str(told.get("message", "")))
    except (orjson.JSONDecodeError, AttributeError):
        return ApiRefused(code, "", body[:200].decode(errors="replace"))


def _usual_files() -> Sequence[Path]:
    named = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    found = [path for path in named if path.is_file()]
    return found or named[:1] or [Path.home() / ".kube" / "config"]
