"""Can a server be reached by the URL that a user gave? Answers show no password."""

from __future__ import annotations

import socket
from urllib.parse import SplitResult, urlsplit

REACH_SECONDS = 3.0
REDIS_PORTS = {"redis": 6379, "rediss": 6379, "unix": 0}
NATS_PORTS = {"nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
API_PORTS = {"https": 443, "http": 80}


def complaint(url: str, ports: dict[str, int]) -> str:
    """What is wrong with the form of a URL. Empty: nothing. Several may be separated by commas."""
    for one in url.split(","):
        try:
            _parse(one.strip(), ports)
        except ValueError as err:
            return str(err)
    return ""


def _parse(url: str, ports: dict[str, int]) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as err:
        raise ValueError(f"not a URL: {err}") from err
    if parts.scheme not in ports or (not parts.path if parts.scheme == "unix" else not parts.hostname):
        wanted = " or ".join("unix:///path" if scheme == "unix" else f"{scheme}://host:port" for scheme in ports)
        raise ValueError(f"not a URL of the form {wanted}")
    return parts, port or ports[parts.scheme]


def why_unreachable(url: str, ports: dict[str, int]) -> str:
    """Why none of the URLs, separated by commas, leads to somebody who listens. Empty: one does."""
    whys = []
    for one in url.split(","):
        why = _why_unreachable(one.strip(), ports)
        if not why:
            return ""
        whys.append(why)
    return "; ".join(whys)


def _why_unreachable(url: str, ports: dict[str, int]) -> str:
    try:
        parts, port = _parse(url, ports)
    except ValueError as err:
        return str(err)
    where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{port}"
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(REACH_SECONDS)
                probe.connect(where)
        else:
            socket.create_connection((parts.hostname, port), timeout=REACH_SECONDS).close()
    except OSError as err:
        return f"{where}: {err.strerror or err}"
    return ""
