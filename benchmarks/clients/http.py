"""As much of HTTP/1.1 as a client of an API server needs, in raw bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clients.link import Closed, Link


@dataclass(frozen=True, slots=True)
class Server:
    """Where an API server is, and what a client needs to come in."""

    host: str
    port: int
    ca_file: str
    token: str


def request(server: Server, method: str, path: str, *, content_type: str = "", headers: str = "") -> bytes:
    """The head of a request up to its Content-Length, or whole where there is no body."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Accept: application/json\r\n{headers}"
    )
    if not content_type:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: {content_type}\r\nContent-Length: ".encode()


def with_body(head: bytes, body: bytes) -> bytes:
    return b"%b%d\r\n\r\n%b" % (head, len(body), body)


class Answers:
    """The answers of one connection, each with a Content-Length. What is not needed of a body is not kept."""

    def __init__(self, link: Link, on_answer: Callable[[int, int, bytes], None], *, keep_bytes: int = 0) -> None:
        self._link = link
        self._on_answer = on_answer
        self._keep_bytes = keep_bytes
        self._head = b""
        self._status = 0
        self._length = self._left = 0
        self._kept = bytearray()

    def read(self, buffer: memoryview) -> None:
        """Take what is there; `on_answer` gets the status, the length of the body and its beginning."""
        while count := self._link.receive_into(buffer):
            self._feed(buffer[:count])

    def _feed(self, data: memoryview) -> None:
        while data:
            if not self._left:
                data = self._feed_head(data)
                continue
            if len(self._kept) < self._keep_bytes:
                self._kept += data[: min(self._left, self._keep_bytes - len(self._kept))]
            taken = min(self._left, len(data))
            self._left -= taken
            data = data[taken:]
            if not self._left:
                self._done()

    def _feed_head(self, data: memoryview) -> memoryview:
        before = len(self._head)
        self._head += bytes(data)
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            return data[:0]
        self._status, self._length = int(self._head[9:12]), content_length(self._head[:end])
        self._left = self._length
        self._head = b""
        if not self._left:
            self._done()
        return data[end + 4 - before :]

    def _done(self) -> None:
        status, length, kept = self._status, self._length, bytes(self._kept)
        self._kept = bytearray()
        self._on_answer(status, length, kept)


def content_length(head: bytes) -> int:
    """Raises ValueError where there is none."""
    start = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[start : head.find(b"\r\n", start) if b"\r\n" in head[start:] else len(head)])


class Chunks:
    """The payload of a chunked answer, piece by piece."""

    def __init__(self, on_payload: Callable[[memoryview], None]) -> None:
        self._on_payload = on_payload
        self._left = 0
        self._line = b"\r\n"

    def feed(self, data: memoryview) -> None:
        """Raises Closed at the last chunk."""
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._on_payload(data[:taken])
                self._left -= taken
                data = data[taken:]
            else:
                data = self._feed_size(data)

    def _feed_size(self, data: memoryview) -> memoryview:
        """Between two chunks stand the end of the one before, and the length of the next."""
        before = len(self._line)
        self._line += bytes(data[:20])
        end = self._line.find(b"\r\n", 2)
        if end < 0:
            return data[20:]
        self._left = int(self._line[2:end], 16)
        self._line = b""
        if not self._left:
            raise Closed
        return data[end + 2 - before :]
