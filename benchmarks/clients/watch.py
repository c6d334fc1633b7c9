"""Clients that watch over HTTP: one connection each, every byte compared, nothing parsed."""

from __future__ import annotations

from typing import Any

from benchmarks.clients.control import Control
from benchmarks.clients.hear import hear
from benchmarks.clients.http import Chunks, Server, request
from benchmarks.clients.link import Link, trusting
from benchmarks.clients.received import Audience, Reception


class Refused(Exception):
    """The server would not let a client watch."""


class Watcher:
    def __init__(self, link: Link, reception: Reception, head: bytes) -> None:
        self.link = link
        self._reception = reception
        self._chunks = Chunks(reception.take)
        link.send_all(head)

    def wait_open(self) -> None:
        """Once the server has answered, nothing that is written from now on is missed. Raises Refused."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.link.receive_some()
        head, _, rest = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Refused(answer.decode("latin-1"))
        self._chunks.feed(memoryview(rest))

    def on_readable(self, buffer: memoryview) -> None:
        try:
            while count := self.link.receive_into(buffer):
                self._chunks.feed(buffer[:count])
        finally:
            self._reception.note()


def run(control: Control, *, server: dict[str, Any], path: str, count: int) -> None:
    """`count` watchers of one path."""
    place, audience = Server(**server), Audience()
    context = trusting(place.ca_file)
    head = request(place, "GET", path)
    watchers = [Watcher(Link(place.host, place.port, tls=context), audience.join(), head) for _ in range(count)]
    for watcher in watchers:
        watcher.wait_open()
    hear(control, watchers, heard=audience.heard, take=audience.take)
