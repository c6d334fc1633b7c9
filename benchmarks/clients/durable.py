"""Clients that read durable subscriptions: one NATS connection and one pull consumer each, everything acknowledged.

They do what `broker.subscriber` does: keep a request for the next changes open, take what comes, and acknowledge the
last of it with each read. Each message has a reply subject of its own, so messages are taken apart one by one.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.clients import nats
from benchmarks.clients.control import Control
from benchmarks.clients.hear import hear
from benchmarks.clients.link import Link
from benchmarks.clients.marked import Marked
from benchmarks.clients.marks import MARK
from broker.credentials import Credentials
from broker.subscriber import BATCH, EXPIRES_SECONDS, HEARTBEAT_SECONDS

_NEXT = json.dumps(
    {"batch": BATCH, "expires": int(EXPIRES_SECONDS * 1e9), "idle_heartbeat": int(HEARTBEAT_SECONDS * 1e9)}
).encode()
_MESSAGES = (b"HMSG", b"MSG")


@dataclass(frozen=True, slots=True)
class Place:
    """One subscription, as the API server told its credentials."""

    credentials: str
    stream: str
    consumer: str
    inbox_prefix: str


class Subscriber:
    def __init__(self, link: Link, place: Place) -> None:
        self.link = link
        inbox = f"{place.inbox_prefix}.1".encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{place.stream}.{place.consumer}".encode()
        self._pull = b"PUB %b %b %d\r\n%b\r\n" % (subject, inbox, len(_NEXT), _NEXT)
        self._outstanding = BATCH
        self._rest = b""
        self.heard = Marked()
        nats.settle(link, b"SUB %b 1\r\n%b" % (inbox, self._pull))

    def on_readable(self, buffer: memoryview) -> None:
        while count := self.link.receive_into(buffer):
            self._take(self._rest + bytes(buffer[:count]), time.monotonic_ns())

    def _take(self, data: bytes, now: int) -> None:
        position, reply = 0, b""
        while (end := data.find(b"\r\n", position)) >= 0:
            words = data[position:end].split()
            if words[0] not in _MESSAGES:
                nats.on_notice(self.link, words[0])
                position = end + 2
                continue
            whole = end + 4 + int(words[-1])
            if whole > len(data):
                break
            if len(words) == 6:
                reply = words[3]
                self._on_change(data, end, now)
            elif b" 408" in data[end : end + 20] or b"Batch Completed" in data[end:whole]:
                self._outstanding = 0
            position = whole
        self._rest = data[position:]
        self._answer(reply)

    def _on_change(self, data: bytes, start: int, now: int) -> None:
        mark = MARK.search(data, start)
        self._outstanding -= 1
        if mark is not None:
            self.heard.note(mark[1], mark[2], now)

    def _answer(self, reply: bytes) -> None:
        answer = b"PUB %b 4\r\n+ACK\r\n" % reply if reply else b""
        if self._outstanding <= BATCH // 2:
            self._outstanding += BATCH
            answer += self._pull
        if answer:
            self.link.send(answer)


def run(control: Control, *, host: str, port: int, places_file: str, first: int, count: int) -> None:
    """A subscriber for each of some places of a file."""
    lines = Path(places_file).read_text().splitlines()[first : first + count]
    places = [Place(**json.loads(line)) for line in lines]
    subscribers = []
    for place in places:
        link = nats.connect(host, port, Credentials.parse(place.credentials), name=place.consumer)
        subscribers.append(Subscriber(link, place))
    hear(
        control,
        subscribers,
        heard=lambda: sum(len(one.heard) for one in subscribers),
        take=lambda: [one.heard.take() for one in subscribers],
    )
