"""Where the bus is and who asks: what a connection needs, told at every connect, so that it may change meanwhile.

nats://user:password@host:port
nats://host:port?credentials=/path/to/file.creds        a credentials file, read again at every connect
tls://host:port?credentials=…&ca=/path/to/ca.pem        TLS, trusting that CA
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

from broker.credentials import Credentials


class Login(Protocol):
    """Asked before each connect."""

    async def servers(self) -> Sequence[str]:
        """The URLs of the servers. May wait until they are known."""
        ...

    def credentials(self) -> Credentials | None:
        """The newest; None where user and password stand in the URLs, or nobody is asked for any. Raises BadKey,
        OSError."""
        ...

    def tls(self) -> ssl.SSLContext | None:
        """None: no TLS, or what the machine trusts."""
        ...


class UrlLogin:
    """All of it stands in a URL; several servers are separated by commas, and the first query counts."""

    def __init__(self, url: str) -> None:
        parts = [urlsplit(one.strip()) for one in url.split(",") if one.strip()]
        self._servers = [urlunsplit(part._replace(query="")) for part in parts]
        query = next((parse_qs(part.query) for part in parts if part.query), {})
        self._credentials, self._ca = (_path(query.get(key)) for key in ("credentials", "ca"))

    async def servers(self) -> Sequence[str]:
        return self._servers

    def credentials(self) -> Credentials | None:
        return Credentials.parse(self._credentials.read_text()) if self._credentials is not None else None

    def tls(self) -> ssl.SSLContext | None:
        return trusting(self._ca.read_text()) if self._ca is not None else None

    @property
    def authority(self) -> str:
        """The CA in PEM; empty where the URL names none. Raises OSError."""
        return self._ca.read_text() if self._ca is not None else ""

    @property
    def public_urls(self) -> tuple[str, ...]:
        """The servers without anybody's user and password."""
        parts = (urlsplit(one) for one in self._servers)
        return tuple(urlunsplit(part._replace(netloc=part.netloc.rpartition("@")[2])) for part in parts)


def trusting(ca_pem: str) -> ssl.SSLContext:
    """A context that trusts certificates of this CA alone."""
    return ssl.create_default_context(cadata=ca_pem)


def _path(values: list[str] | None) -> Path | None:
    return Path(values[0]) if values else None
