"""HTTP/1.1 over TLS with nothing hidden: no retry, no pool, so that a test knows what was sent and what was answered.

A request ends in one of three ways: an Answer; Unreached (it was never sent); Unanswered (it was sent, or a part of it,
and nobody knows what became of it).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 40.0
"""Above the longest that a server takes to say that it does not know (a round trip, and then settling it)."""
_LIMIT = 8 * 1024 * 1024


class Unreached(Exception):
    """Nobody listens. Nothing was sent."""


class Unanswered(Exception):
    """The connection ended, or no answer came in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        """Of a Status."""
        return str(self.json().get("message", ""))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and who asks."""

    host: str
    port: int
    token: str
    tls: ssl.SSLContext


class HttpConnection:
    """One connection to one place, made when it is needed. One request at a time."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: Any = None) -> Answer:
        """Raises Unreached, Unanswered."""
        reader, writer = await self._connected()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(self._head_and_body(method, path, body))
                await writer.drain()
                status, headers = await _read_head(reader)
                data = await _read_body(reader, headers)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as err:
            self.close()
            raise Unanswered(f"{method} {path}: {err!r}") from err
        except BaseException:
            self.close()
            raise
        if headers.get("connection", "") == "close":
            self.close()
        return Answer(status, data, headers)

    async def lines(self, path: str) -> AsyncIterator[bytes]:
        """The lines of an answer that goes on. Ends as the answer does, with Unanswered when it is cut. A refusal is
        raised as Refused."""
        reader, writer = await self._connected()
        rest = b""
        try:
            writer.write(self._head_and_body("GET", path, None))
            await writer.drain()
            status, headers = await _read_head(reader)
            if status != 200:
                raise Refused(Answer(status, await _read_body(reader, headers), headers))
            async for chunk in _chunks(reader):
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield line
        except (OSError, asyncio.IncompleteReadError, ValueError) as err:
            raise Unanswered(f"GET {path}: {err!r}") from err
        finally:
            self.close()

    def _head_and_body(self, method: str, path: str, body: Any) -> bytes:
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._place.host}\r\nAuthorization: Bearer {self._place.token}\r\n"
            f"Accept: application/json\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return head.encode() + data

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is not None and self._writer is not None and not self._reader.at_eof():
            return self._reader, self._writer
        self.close()
        place = self._place
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(place.host, place.port, ssl=place.tls, limit=_LIMIT)
        except (OSError, TimeoutError) as err:
            raise Unreached(str(err) or "no connection in time") from err
        self._reader, self._writer = reader, writer
        return reader, writer

    def close(self) -> None:
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.transport.abort()


class Refused(Exception):
    """The server answered a watch with something else than a stream."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.body[:300]!r}")
        self.answer = answer


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    return int(head[0].split(" ", 2)[1]), {key.lower(): value.strip() for key, _, value in pairs}


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        return b"".join([chunk async for chunk in _chunks(reader)])
    return await reader.readexactly(int(headers.get("content-length", "0")))


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
