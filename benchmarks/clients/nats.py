"""As much of the NATS protocol as a listener needs, in raw bytes."""

from __future__ import annotations

import json

from benchmarks.clients.link import Link
from broker.credentials import Credentials

PONG = b"PONG\r\n"
PING = b"PING\r\n"


class Refused(Exception):
    """nats-server would not let a client in, or not let it listen."""


def connect(host: str, port: int, credentials: Credentials, *, name: str) -> Link:
    """Raises Refused."""
    link = Link(host, port)
    greeting = _line(link)
    nonce = json.loads(greeting.partition(b" ")[2])["nonce"]
    options = {
        "verbose": False,
        "pedantic": False,
        "headers": True,
        "no_responders": True,
        "protocol": 1,
        "lang": "benchmark",
        "version": "1",
        "name": name,
        "jwt": credentials.jwt,
        "sig": credentials.sign(nonce).decode(),
    }
    link.send_all(b"CONNECT %b\r\n" % json.dumps(options).encode())
    return link


def settle(link: Link, commands: bytes) -> None:
    """Send commands, and return once the server has taken them. Raises Refused."""
    link.send_all(commands + PING)
    while (line := _line(link)) != PONG:
        if line == PING:
            link.send_all(PONG)
        elif line.startswith(b"-ERR"):
            raise Refused(line.decode())


def on_notice(link: Link, word: bytes) -> None:
    """What comes between two messages: is somebody there (PING), or news of the servers (INFO). Raises Refused."""
    if word == b"PING":
        link.send(PONG)
    elif word == b"-ERR":
        raise Refused("the server ended it")


def _line(link: Link) -> bytes:
    """Byte by byte, so that nothing of what follows is taken; there are few such lines."""
    line = b""
    while not line.endswith(b"\r\n"):
        line += link.receive_some(1)
    return line
