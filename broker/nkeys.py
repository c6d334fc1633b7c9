"""NATS' identities: Ed25519 keys in NATS' own text form, and JWTs signed with them.

A public key is 56 characters whose first letter tells what it is: `O` an operator, `A` an account, `U` a user. A seed
is the private half, `S` and that letter first. nats-server verifies a chain of JWTs offline: the operator vouches for
accounts, an account vouches for users. The formats are those of nkeys and of NATS' JWT version 2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any, Literal

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Kind = Literal["operator", "account", "user"]

_PREFIX: dict[Kind, int] = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_KIND = {prefix: kind for kind, prefix in _PREFIX.items()}
_SEED = 18 << 3
SEED_BYTES = 32


class BadKey(ValueError):
    """The text is not a seed, or its checksum is wrong."""


class KeyPair:
    """One identity with its private half."""

    def __init__(self, kind: Kind, seed: bytes) -> None:
        self.kind: Kind = kind
        self._seed = seed
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        raw = self._private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.public = _text(bytes([_PREFIX[kind]]) + raw)

    def __repr__(self) -> str:
        return f"KeyPair({self.public})"

    @classmethod
    def new(cls, kind: Kind) -> KeyPair:
        return cls(kind, os.urandom(SEED_BYTES))

    @classmethod
    def from_seed(cls, text: str) -> KeyPair:
        """Raises BadKey."""
        raw = _bytes(text.strip())
        if len(raw) != 2 + SEED_BYTES or raw[0] & 0xF8 != _SEED:
            raise BadKey("not a seed")
        kind = _KIND.get((raw[0] & 7) << 5 | raw[1] >> 3)
        if kind is None:
            raise BadKey("a seed of an unknown kind")
        return cls(kind, raw[2:])

    @property
    def seed(self) -> str:
        """The private half as text. Keep it secret."""
        prefix = _PREFIX[self.kind]
        return _text(bytes([_SEED | prefix >> 5, (prefix & 31) << 3]) + self._seed)

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)

    def issue(self, subject: str, *, name: str, claims: Mapping[str, Any], issued_at: int, expires_at: int = 0) -> str:
        """A JWT for the public key `subject`, vouched for by this key. Times: seconds since 1970; 0: never expires."""
        body: dict[str, Any] = {
            "iat": issued_at,
            "iss": self.public,
            "name": name,
            "sub": subject,
            "nats": {**claims, "version": 2},
        }
        if expires_at:
            body["exp"] = expires_at
        digest = hashlib.new("sha512_256", json.dumps(body).encode()).digest()
        body["jti"] = base64.b32encode(digest).decode().rstrip("=")
        head = _url({"typ": "JWT", "alg": "ed25519-nkey"})
        signed = f"{head}.{_url(body)}"
        return f"{signed}.{_unpadded(self.sign(signed.encode()))}"


def check_public(text: str, kind: Kind) -> None:
    """Raises BadKey for what is not a public key of that kind."""
    raw = _bytes(text)
    if len(raw) != 1 + SEED_BYTES or raw[0] != _PREFIX[kind]:
        raise BadKey(f"not the public key of a NATS {kind}")


def claims_of(jwt: str) -> dict[str, Any]:
    """What a JWT says. The signature is not looked at. Raises BadKey."""
    try:
        body = jwt.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError) as err:
        raise BadKey("not a JWT") from err
    return claims


def _text(raw: bytes) -> str:
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except ValueError as err:
        raise BadKey("not base32") from err
    body, checksum = raw[:-2], raw[-2:]
    if binascii.crc_hqx(body, 0).to_bytes(2, "little") != checksum:
        raise BadKey("the checksum is wrong")
    return body


def _url(document: Mapping[str, Any]) -> str:
    return _unpadded(json.dumps(document, separators=(",", ":")).encode())


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
