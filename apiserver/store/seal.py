"""Secrets never travel readable: in Redis, in its files, and on the bus they are ciphertext.

    {"sealed": {"keyID": "…", "ciphertext": "…"}, "apiVersion": "v1", "kind": "Secret", "metadata": {…}}

What selectors, the garbage collector and the controllers need stays readable (`CLEAR_METADATA`); everything else goes
into the ciphertext, annotations and managedFields too: `kubectl apply` writes the values once more into an annotation.
AES-256-GCM, a fresh nonce each time; the object's place and uid are bound in, so a ciphertext that was moved to another
object can't be opened. The first key writes, all keys read: a key is changed by putting a new one in front, rewriting
every Secret, and removing the old one.

An object that isn't sealed is told by its first bytes, so that all other kinds cost nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.store.base import StoredResource, StoreError

Obj = dict[str, Any]

SEALED_KINDS = {("v1", "Secret"): StoredResource("", "secrets")}
"""The stored apiVersion and kind of each encrypted resource."""

CLEAR_METADATA = frozenset(
    {
        "name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "ownerReferences", "finalizers",
    }
)  # fmt: skip

KEY_BYTES = 32
NONCE_BYTES = 12
_START = b'{"sealed":{"keyID":'


class Unsealable(StoreError):
    """A sealed object can't be opened: its key is not in the key file, or the bytes were changed."""


class KeyFileError(Exception):
    """The key file can't be used. The message says what to do."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One AES-256 key. The id tells which key wrote an object, and nothing about the key."""

    id: str
    secret: bytes

    @classmethod
    def of(cls, secret: bytes) -> SealingKey:
        return cls(hashlib.sha256(b"backbeat sealing key\0" + secret).hexdigest()[:16], secret)

    def __repr__(self) -> str:
        return f"SealingKey({self.id})"


class Sealer:
    """Seals and opens; holds the keys."""

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        if not keys:
            raise KeyFileError("at least one key is needed to seal Secrets")
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._write_id = keys[0].id
        self._resources = frozenset(SEALED_KINDS.values())

    def seals(self, resource: StoredResource) -> bool:
        """Whether the resource's objects must be sealed before they are committed."""
        return resource in self._resources

    def seal(self, obj: Obj) -> Obj:
        """The object as it may be stored. `metadata.resourceVersion` stays readable. Raises ValueError for a kind that
        is not sealed, which is a bug of the caller."""
        metadata = obj["metadata"]
        hidden = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
        hidden_metadata = {name: value for name, value in metadata.items() if name not in CLEAR_METADATA}
        if hidden_metadata:
            hidden["metadata"] = hidden_metadata
        nonce = os.urandom(NONCE_BYTES)
        cipher = self._ciphers[self._write_id]
        ciphertext = nonce + cipher.encrypt(nonce, orjson.dumps(hidden), _bound_to(obj))
        return {
            "sealed": {"keyID": self._write_id, "ciphertext": base64.b64encode(ciphertext).decode()},
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "metadata": {name: value for name, value in metadata.items() if name in CLEAR_METADATA},
        }

    def unseal(self, raw: bytes) -> bytes:
        """The object's plain JSON with the same resourceVersion; what isn't sealed comes back as it is.
        Raises Unsealable."""
        if not raw.startswith(_START):
            return raw
        obj = orjson.loads(raw)
        if (obj.get("apiVersion"), obj.get("kind")) not in SEALED_KINDS:
            return raw  # a custom resource may have a field of this name
        return orjson.dumps(self._open(obj))

    def _open(self, obj: Obj) -> Obj:
        envelope = obj["sealed"]
        cipher = self._ciphers.get(envelope["keyID"])
        metadata = obj["metadata"]
        who = f"{metadata.get('namespace', '')}/{metadata['name']}"
        if cipher is None:
            raise Unsealable(
                f"{obj['kind']} {who} was sealed with the key {envelope['keyID']}, which the key file lacks"
            )
        try:
            ciphertext = base64.b64decode(envelope["ciphertext"], validate=True)
            nonce, body = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
            hidden: Obj = orjson.loads(cipher.decrypt(nonce, body, _bound_to(obj)))
        except (InvalidTag, binascii.Error, ValueError) as err:
            raise Unsealable(f"{obj['kind']} {who} can't be opened: the ciphertext does not belong to it") from err
        metadata = {**metadata, **hidden.pop("metadata", {})}
        return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, **hidden}


def _bound_to(obj: Obj) -> bytes:
    """What a ciphertext is tied to. JSON, so that no two places can be written alike."""
    resource = SEALED_KINDS.get((obj["apiVersion"], obj["kind"]))
    if resource is None:
        raise ValueError(f"{obj['kind']} is not a sealed kind")
    metadata = obj["metadata"]
    place = [resource.group, resource.resource, metadata.get("namespace", ""), metadata["name"], metadata["uid"]]
    return orjson.dumps(place)


def load_keys(path: Path) -> Sequence[SealingKey]:
    """One base64 key of 32 bytes per line, the first one writes; empty lines and `#` comments are skipped. A missing
    file is created with one new key, readable by its owner only. Raises KeyFileError."""
    try:
        if not path.exists():
            _create(path)
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as err:
        raise KeyFileError(f"the key file {path} can't be read or created: {err}") from err
    keys = [_key_of(line, path, number) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not keys:
        raise KeyFileError(f"the key file {path} holds no key; remove it to have a new one made")
    return keys


def _key_of(line: str, path: Path, number: int) -> SealingKey:
    try:
        secret = base64.b64decode(line, validate=True)
    except binascii.Error as err:
        raise KeyFileError(f"{path}, line {number}: not base64") from err
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"{path}, line {number}: the key has {len(secret)} bytes, it must have {KEY_BYTES}")
    return SealingKey.of(secret)


def _create(path: Path) -> None:
    """Complete or not at all, and never over another's: two API servers may start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # 0600 by itself
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
    finally:
        Path(name).unlink()
