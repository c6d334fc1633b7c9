"""Clients that hear live subjects: one NATS connection each, without a cursor, every byte compared, nothing parsed."""

from __future__ import annotations

from benchmarks.clients import nats
from benchmarks.clients.control import Control
from benchmarks.clients.hear import hear
from benchmarks.clients.link import Link
from benchmarks.clients.received import Audience, Reception
from broker.credentials import Credentials


class Listener:
    """Notices of the server come between two messages: a piece begins or ends with them."""

    def __init__(self, link: Link, reception: Reception, subject: str) -> None:
        self.link = link
        self._reception = reception
        nats.settle(link, b"SUB %b 1\r\n" % subject.encode())

    def on_readable(self, buffer: memoryview) -> None:
        try:
            while count := self.link.receive_into(buffer):
                self._reception.take(self._without_notices(buffer[:count]))
        finally:
            self._reception.note()

    def _without_notices(self, piece: memoryview) -> memoryview:
        if bytes(piece[:5]) == b"INFO ":
            piece = piece[bytes(piece[:4096]).index(b"\r\n") + 2 :]
        if bytes(piece[-len(nats.PING) :]) == nats.PING:
            nats.on_notice(self.link, b"PING")
            piece = piece[: -len(nats.PING)]
        return piece


def run(control: Control, *, host: str, port: int, credentials: str, subject: str, count: int) -> None:
    """`count` listeners to one subject."""
    known, audience = Credentials.parse(credentials), Audience()
    listeners = [
        Listener(nats.connect(host, port, known, name=f"live-{number}"), audience.join(), subject)
        for number in range(count)
    ]
    hear(control, listeners, heard=audience.heard, take=audience.take)
