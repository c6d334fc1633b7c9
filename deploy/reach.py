"""Can a server be reached by the URL that a user gave, and would others on the way read along? Answers show no
password.

Everything of a control plane travels to Redis and NATS: over a network it must be encrypted (`rediss://`, `tls://`).
Where the network itself is private, BACKBEAT_ALLOW_PLAINTEXT=1 says so.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

REACH_SECONDS = 3.0
REDIS_PORTS = {"redis": 6379, "rediss": 6379, "unix": 0}
NATS_PORTS = {"nats": 4222, "tls": 4222, "ws": 80, "wss": 443}
API_PORTS = {"https": 443, "http": 80}

ALLOW_PLAINTEXT = "BACKBEAT_ALLOW_PLAINTEXT"
_ENCRYPTED = {"redis": "rediss", "nats": "tls", "ws": "wss"}
_FILES = ("ca", "cert", "key", "credentials")
_LOGIN = {"db", "username", "password"}
_QUERY = {"rediss": {"ca", "cert", "key", *_LOGIN}, "redis": _LOGIN, "unix": _LOGIN}
_NATS_QUERY = {"credentials", "ca"}


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
    _check_query(parts)
    return parts, port or ports[parts.scheme]


def _check_query(parts: SplitResult) -> None:
    query = parse_qs(parts.query)
    known = _QUERY.get(parts.scheme, _NATS_QUERY)
    for key in query.keys() - known:
        raise ValueError(f"{parts.scheme}:// takes {', '.join(sorted(known))} behind the question mark, and no {key}")
    for key in query.keys() & set(_FILES):
        if not Path(query[key][0]).is_file():
            raise ValueError(f"{key}: there is no file {query[key][0]}")


def read_along(url: str) -> str:
    """Why others could read what travels to a URL, one of several perhaps. Empty: they cannot, or the user knows."""
    if os.environ.get(ALLOW_PLAINTEXT, "").lower() in ("1", "true", "yes"):
        return ""
    for one in url.split(","):
        parts = urlsplit(one.strip())
        encrypted = _ENCRYPTED.get(parts.scheme)
        if encrypted is not None and not _is_near(parts.hostname or "") and "ca" not in parse_qs(parts.query):
            return (
                f"{parts.scheme}://{parts.hostname} is not encrypted, and whoever is on the way could read everything "
                f"and change it; use {encrypted}://, or set {ALLOW_PLAINTEXT}=1 where the network itself is private"
            )
    return ""


def _is_near(host: str) -> bool:
    """It does not leave this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
    where = unquote(parts.path) if parts.scheme == "unix" else f"{parts.hostname}:{port}"
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
