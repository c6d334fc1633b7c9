"""Ports of 127.0.0.1: is one free, and which one to take.

A free port is taken below the range that the system hands out to outgoing connections. Inside that range a client that
tries again and again while its server is away can be given the server's own port: then the server cannot come back, or
the client talks to itself.
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
LOWEST = 20_000
USUAL_EPHEMERAL = 32_768
TRIES = 200
BACKLOG = 4096
"""Clients that wait while the API server is between two lives."""


class NoFreePort(OSError):
    """Nothing was free in many tries."""


def is_free(port: int, *, host: str = HOST) -> bool:
    """A moment later it may not be."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listening(port: int, *, host: str = HOST) -> socket.socket:
    """An open socket: who connects waits for whoever accepts from it, now or later. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def free_port(*, preferred: int = 0, avoid: frozenset[int] = frozenset()) -> int:
    """The preferred one when it is free, else any. Raises NoFreePort."""
    if preferred and preferred not in avoid and is_free(preferred):
        return preferred
    chooser = random.SystemRandom()
    highest = ephemeral_start()
    for _ in range(TRIES):
        port = chooser.randrange(LOWEST, highest)
        if port not in avoid and is_free(port):
            return port
    raise NoFreePort(f"no free port between {LOWEST} and {highest}")


def ephemeral_start() -> int:
    """Where the ports of outgoing connections begin; at least some thousand ports lie below."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL_EPHEMERAL
    return first if first >= LOWEST + 5_000 else 65_536
