"""As much of HTTP/2 and gRPC as a client of etcd needs, in raw bytes: headers are sent without compression, and of what
comes only the frames' lengths, types and flags are read."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.clients.link import Link

ALPN = "h2"

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW_SIZE = 4
_WINDOW = 2**31 - 1
_HEAD_BYTES = 9


class Broken(Exception):
    """The server reset a stream or said goodbye."""


def opening() -> bytes:
    """What a connection begins with. The window is so large that it need not be opened again in a benchmark."""
    settings = _INITIAL_WINDOW_SIZE.to_bytes(2, "big") + _WINDOW.to_bytes(4, "big")
    wider = (_WINDOW - 65_535).to_bytes(4, "big")
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, wider)


def call(stream: int, path: str, authority: str, message: bytes, *, end: bool) -> bytes:
    """A gRPC call with its first message, or its only one."""
    headers = (
        (":method", "POST"), (":scheme", "https"), (":path", path), (":authority", authority),
        ("content-type", "application/grpc"), ("te", "trailers"),
    )  # fmt: skip
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)
    data = b"\0" + len(message).to_bytes(4, "big") + message
    return _frame(_HEADERS, _END_HEADERS, stream, block) + _frame(_DATA, _END_STREAM if end else 0, stream, data)


def field(number: int, value: bytes) -> bytes:
    """A length-delimited field of a protobuf message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()  # of less than 127 characters


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


class Frames:
    """Takes frames apart, and answers what a server asks of any client."""

    def __init__(self, link: Link, *, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._link = link
        self._on_data = on_data
        self._on_end = on_end
        self._rest = b""

    def read(self, buffer: memoryview) -> None:
        """Take what is there. `on_end` is called when a stream ended. Raises Broken."""
        while count := self._link.receive_into(buffer):
            self.feed(bytes(buffer[:count]))

    def feed(self, data: bytes) -> None:
        data, position = self._rest + data, 0
        while position + _HEAD_BYTES <= len(data):
            start = position + _HEAD_BYTES
            end = start + int.from_bytes(data[position : position + 3], "big")
            if end > len(data):
                break
            self._on_frame(data[position + 3], data[position + 4], data[start:end])
            position = end
        self._rest = data[position:]

    def _on_frame(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == _DATA:
            self._on_data(payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self._link.send(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._link.send(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RESET, _GO_AWAY):
            raise Broken(payload.decode("latin-1"))
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            self._on_end()
