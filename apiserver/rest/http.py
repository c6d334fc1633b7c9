"""The ASGI side: reading bodies within bounds, writing answers in one piece or as they come.

Nothing here knows of Kubernetes but the form of an error.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
import yaml

from apiserver.api.status import BadRequest, RequestEntityTooLarge, StatusError
from apiserver.settings import MAX_BODY_BYTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON = b"application/json"
YAML = b"application/yaml"
TEXT = b"text/plain; charset=utf-8"
GZIP_FROM_BYTES = 128 * 1024
"""Answers below this are sent as they are (upstream: `defaultGzipThresholdBytes`)."""
THREAD_FROM_BYTES = 64 * 1024
"""Answers from this size on are reshaped beside the event loop."""

_WENT_AWAY = "the client went away before the request was complete"

_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(slots=True)
class Response:
    """One whole answer."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


class Chunks(Protocol):
    """Pieces of an answer that goes on. `aclose` is called in any case, and perhaps after the end."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class Stream:
    """An answer that goes on: each piece is written as soon as it is there."""

    chunks: Chunks
    content_type: bytes = JSON
    cut: asyncio.Future[None] | None = None
    """Done when the reader is too slow to be served any longer: the connection is dropped."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a JSON answer is written for this client."""

    yaml: bool = False
    pretty: bool = False


def json_response(document: Any, *, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status)


def error_response(error: StatusError) -> Response:
    response = json_response(error.to_status(), status=error.code)
    if error.retry_after_seconds:
        response.headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    return response


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names come lower-case from the server; of a repeated header the values are joined."""
    out: dict[str, str] = {}
    for raw_key, raw_value in scope["headers"]:
        key = raw_key.decode("latin-1")
        value = raw_value.decode("latin-1")
        out[key] = f"{out[key]},{value}" if key in out else value
    return out


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """A body of any size, as it comes in. Raises BadRequest when the client goes away."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(_WENT_AWAY)
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def read_body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The whole body. Raises RequestEntityTooLarge past the limit, BadRequest when the client goes away."""
    announced = headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(_WENT_AWAY)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return _inflate(parts[0] if len(parts) == 1 else b"".join(parts), headers)


def _inflate(body: bytes, headers: Mapping[str, str]) -> bytes:
    encoding = headers.get("content-encoding", "")
    if not encoding or encoding == "identity":
        return body
    if encoding != "gzip":
        raise BadRequest(f"unsupported Content-Encoding: {encoding}")
    try:
        inflater = zlib.decompressobj(wbits=31)
        out = inflater.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as err:
        raise BadRequest(f"the body is not valid gzip: {err}") from err
    if len(out) > MAX_BODY_BYTES:
        raise _too_large()
    if not inflater.eof:
        raise BadRequest("the body is not valid gzip: it ends too early")
    return out


def _too_large() -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"Request entity too large: limit is {MAX_BODY_BYTES}")


async def send_response(
    send: Send, response: Response, request_headers: Mapping[str, str], *, style: Style = Style(), head: bool = False
) -> None:
    body, content_type = response.body, response.content_type
    if content_type == JSON and (style.yaml or style.pretty):
        body = await _beside_if_large(_restyled, body, style)
        content_type = YAML if style.yaml else JSON
    headers = [(b"content-type", content_type), *response.headers]
    if not any(key == b"cache-control" for key, _ in headers):
        headers.append((b"cache-control", b"no-cache, private"))
    if len(body) >= GZIP_FROM_BYTES and "gzip" in request_headers.get("accept-encoding", ""):
        body = await asyncio.to_thread(_gzip, body)
        headers.append((b"content-encoding", b"gzip"))
        headers.append((b"vary", b"Accept-Encoding"))
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def _beside_if_large(work: Callable[[bytes, Style], bytes], body: bytes, style: Style) -> bytes:
    return work(body, style) if len(body) < THREAD_FROM_BYTES else await asyncio.to_thread(work, body, style)


def _restyled(body: bytes, style: Style) -> bytes:
    document = orjson.loads(body)
    if style.yaml:
        return yaml.dump(document, Dumper=_Dumper, sort_keys=False).encode()
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _gzip(body: bytes) -> bytes:
    deflater = zlib.compressobj(level=1, wbits=31)
    return deflater.compress(body) + deflater.flush()


async def send_stream(send: Send, receive: Receive, stream: Stream, *, abort: Callable[[], None]) -> None:
    """Write until the stream ends, the client goes away or is too slow; in any case the stream is closed."""
    headers = [(b"content-type", stream.content_type), (b"cache-control", b"no-cache, private")]
    writing = asyncio.create_task(_write(send, stream, headers), name="stream-writer")
    leaving = asyncio.create_task(_until_gone(receive), name="stream-disconnect")
    waited: set[asyncio.Future[None]] = {writing, leaving}
    if stream.cut is not None:
        waited.add(stream.cut)
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if stream.cut is not None and stream.cut.done():
            abort()
        for task in (writing, leaving):
            task.cancel()
        results = await asyncio.gather(writing, leaving, return_exceptions=True)
        await stream.chunks.aclose()
    failure = results[0]
    if isinstance(failure, Exception):
        raise failure


async def _write(send: Send, stream: Stream, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    # An empty chunk makes the server send its headers now: clients wait for them before anything has happened.
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    async for chunk in stream.chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
