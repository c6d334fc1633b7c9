"""Clients of etcd's own API: watchers with one connection and one stream each, and writers that put."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.clients import http2, marks
from benchmarks.clients.control import Control
from benchmarks.clients.hear import hear
from benchmarks.clients.link import Closed, Link, trusting
from benchmarks.clients.load import Run, Schedule
from benchmarks.clients.marked import Marked
from benchmarks.clients.marks import MARK
from benchmarks.clients.station import Station

_PUT, _WATCH = "/etcdserverpb.KV/Put", "/etcdserverpb.Watch/Watch"
_MARK_BYTES = 64
"""More than a mark has: what may stand half in one piece and half in the next."""
OK = 200


class Connection:
    """HTTP/2 over TLS."""

    def __init__(self, link: Link, *, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.link = link
        self._frames = http2.Frames(link, on_data=on_data, on_end=on_end)
        link.send_all(http2.opening())

    def on_readable(self, buffer: memoryview) -> None:
        try:
            self._frames.read(buffer)
        except http2.Broken as err:
            raise Closed from err

    def wait(self) -> None:
        """For something, before nothing waits any more."""
        self._frames.feed(self.link.receive_some())


class Watcher:
    """Everything that begins with a prefix."""

    def __init__(self, link: Link, authority: str, prefix: str) -> None:
        self.link = link
        self.heard = Marked()
        self._seen = b""
        self._connection = Connection(link, on_data=self._on_data, on_end=self._on_end)
        key = prefix.encode()
        wanted = http2.field(1, key) + http2.field(2, key[:-1] + bytes([key[-1] + 1]))
        link.send_all(http2.call(1, _WATCH, authority, http2.field(1, wanted), end=False))

    def wait_open(self) -> None:
        """etcd's first message says that the watch was created."""
        while not self._seen:
            self._connection.wait()

    def on_readable(self, buffer: memoryview) -> None:
        self._connection.on_readable(buffer)

    def _on_data(self, payload: bytes) -> None:
        now, end = time.monotonic_ns(), 0
        data = self._seen + payload
        for found in MARK.finditer(data):
            self.heard.note(found[1], found[2], now)
            end = found.end()
        self._seen = data[max(end, len(data) - _MARK_BYTES) :] or b"\0"

    def _on_end(self) -> None:
        raise Closed


def run_watch(control: Control, *, host: str, port: int, ca_file: str, prefix: str, count: int) -> None:
    """`count` watchers of one prefix."""
    context = trusting(ca_file, alpn=http2.ALPN)
    watchers = [Watcher(Link(host, port, tls=context), f"{host}:{port}", prefix) for _ in range(count)]
    for watcher in watchers:
        watcher.wait_open()
    hear(
        control,
        watchers,
        heard=lambda: sum(len(one.heard) for one in watchers),
        take=lambda: [one.heard.take() for one in watchers],
    )


class Writer:
    """One connection that puts, one after the other."""

    def __init__(self, link: Link, authority: str) -> None:
        self.link = link
        self._authority = authority
        self._stream = -1
        self._sent_at = 0
        self._run: Run | None = None
        self._prefix, self._body = "", marks.config_map("")
        self._connection = Connection(link, on_data=lambda _: None, on_end=self._on_end)

    def begin(self, run: Run, prefix: str, body: marks.Body) -> None:
        self._run, self._prefix, self._body = run, prefix, body
        run.idle.append(self)

    def send(self, number: int) -> None:
        self._stream += 2
        self._sent_at = time.monotonic_ns()
        put = http2.field(1, f"{self._prefix}{number:07d}".encode()) + http2.field(2, self._body(number, self._sent_at))
        self.link.send(http2.call(self._stream, _PUT, self._authority, put, end=True))

    def on_readable(self, buffer: memoryview) -> None:
        self._connection.on_readable(buffer)

    def _on_end(self) -> None:
        if self._run is not None:
            self._run.note(self._sent_at, OK, 0, b"")
            self._run.next(self)


def run_load(control: Control, *, host: str, port: int, ca_file: str, connections: int) -> None:
    """Puts as they are asked for: {"do": "run", "prefix": …}, and the rest as in `load.run`."""
    context = trusting(ca_file, alpn=http2.ALPN)
    writers = [Writer(Link(host, port, tls=context), f"{host}:{port}") for _ in range(connections)]
    station = Station(control, writers)
    control.tell(ready=True)
    asked: dict[str, Any] = station.attend(lambda: 0)
    while True:
        run = Run(Schedule.asked(asked), expected=OK)
        for writer in writers:
            writer.begin(run, asked["prefix"], marks.config_map("cm"))
        asked = run.serve(control, station, asked["latencies"])
