"""Bearer tokens from a file and client certificates.

As upstream: a request without credentials is `system:anonymous`, a request with wrong ones is refused with 401. A
certificate's common name is the user, its organizations are the groups; TLS itself has checked the signature by then.
The token file is read again when it changes, so a token can be withdrawn without a restart.
"""

from __future__ import annotations

import csv
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from apiserver.api.status import Unauthorized
from apiserver.authn.user import ANONYMOUS, User, known

log = structlog.get_logger(__name__)

_RELOAD_SECONDS = 5.0


class TokenFileError(ValueError):
    """A line of the token file can't be understood."""


def parse_token_file(text: str) -> dict[bytes, User]:
    """Users by the SHA-256 of their token: the tokens themselves are not kept, and comparing takes constant time."""
    users: dict[bytes, User] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        if not row or row[0].startswith("#"):
            continue
        if len(row) < 3 or not row[0].strip() or not row[1].strip():
            raise TokenFileError(f"line {number}: want token,user,uid[,groups]")
        groups = tuple(g.strip() for g in row[3].split(",") if g.strip()) if len(row) > 3 else ()
        users[_digest(row[0].strip())] = known(row[1].strip(), uid=row[2].strip(), groups=groups)
    return users


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class TokenFile:
    """The users of a token file, following its changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = path.stat().st_mtime_ns
        self._users = parse_token_file(path.read_text())
        self._look_again_at = time.monotonic() + _RELOAD_SECONDS

    def lookup(self, token: str) -> User | None:
        now = time.monotonic()
        if now >= self._look_again_at:
            self._look_again_at = now + _RELOAD_SECONDS
            self._reload()
        return self._users.get(_digest(token))

    def _reload(self) -> None:
        """A file that is away or broken for a while must not lock everybody out: what was read last holds on."""
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp != self._stamp:
                self._users = parse_token_file(self._path.read_text())
                self._stamp = stamp
        except (OSError, TokenFileError) as err:
            log.error("the token file can't be read; the last one that could holds", reason=str(err))


def user_of_certificate(certificate: Mapping[str, Any]) -> User | None:
    """The user of a verified peer certificate, in the shape of `ssl.SSLSocket.getpeercert`."""
    names: dict[str, list[str]] = {}
    for relative_name in certificate.get("subject", ()):
        for key, value in relative_name:
            names.setdefault(key, []).append(value)
    common = names.get("commonName")
    if not common:
        return None
    return known(common[0], groups=tuple(names.get("organizationName", ())))


class Authenticator:
    """`authenticate` is on the path of every request: a dictionary look-up, no I/O."""

    def __init__(self, tokens: TokenFile | None) -> None:
        self._tokens = tokens

    def authenticate(self, authorization: str | None, certificate: Mapping[str, Any] | None) -> User:
        """Raises Unauthorized for credentials that are not known."""
        if certificate:
            user = user_of_certificate(certificate)
            if user is not None:
                return user
        if authorization is None:
            return ANONYMOUS
        scheme, token = [*authorization.split(), "", ""][:2]
        if scheme.lower() != "bearer" or not token:
            return ANONYMOUS
        found = self._tokens.lookup(token) if self._tokens else None
        if found is None:
            raise Unauthorized("Unauthorized")
        return found

    def review(self, token: str) -> User | None:
        """The user of a token, for TokenReview."""
        return self._tokens.lookup(token) if self._tokens else None
