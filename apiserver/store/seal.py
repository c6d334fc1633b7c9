"""Secrets never travel readable: in Redis, in its files, and on the bus they are ciphertext.

    {"sealed": {"keyID": "…", "ciphertext": "…"}, "apiVersion": "v1", "kind": "Secret", "metadata": {…}}

What selectors, the garbage collector and the controllers need stays readable (`CLEAR_METADATA`); everything else goes
into the ciphertext, annotations and managedFields too: `kubectl apply` writes the values once more into an annotation.
AES-256-GCM, a fresh nonce each time; the object's place and uid are bound in, so a ciphertext that was moved to another
object can't be opened. Keys: see `apiserver.store.keyring`.

An object whose key is lost harms no other one. Whoever asks for it alone is told why it can't be opened; among others
it is shown as what can be read of it, with that reason in an annotation.

An object that isn't sealed is told by its first bytes, so that all other kinds cost nothing.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from apiserver.store.base import StoredResource, StoreError
from apiserver.store.keyring import KeyFileError, SealingKey

log = structlog.get_logger(__name__)

Obj = dict[str, Any]

SEALED_KINDS = {("v1", "Secret"): StoredResource("", "secrets")}
"""The stored apiVersion and kind of each encrypted resource."""

CLEAR_METADATA = frozenset(
    {
        "name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "ownerReferences", "finalizers",
    }
)  # fmt: skip

UNREADABLE = "backbeat.dev/unreadable"
"""The annotation of an object that can't be opened. It says why."""

NONCE_BYTES = 12
RELOAD_SECONDS = 1.0
"""Keys are looked for again at most so often."""
_START = b'{"sealed":{"keyID":'


class Unsealable(StoreError):
    """A sealed object can't be opened: its key is not among those we have, or the bytes were changed."""


class Sealer:
    """Seals and opens; holds the keys. `reload` gives them as they are now: asked when one is missing, so that a key
    which was added for another API server is found without a restart."""

    def __init__(self, keys: Sequence[SealingKey], *, reload: Callable[[], Sequence[SealingKey]] | None = None) -> None:
        self._load = reload
        self._reloaded_at = float("-inf")
        self._resources = frozenset(SEALED_KINDS.values())
        self._take(keys)

    def _take(self, keys: Sequence[SealingKey]) -> None:
        if not keys:
            raise KeyFileError("at least one key is needed to seal Secrets")
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self.key_id = keys[0].id
        """Of the key that writes."""

    @property
    def key_ids(self) -> Sequence[str]:
        """Of all keys, the one that writes first."""
        return list(self._ciphers)

    def reload(self) -> None:
        """Take the keys as they are now. Raises KeyFileError."""
        if self._load is not None:
            self._take(self._load())

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
        cipher = self._ciphers[self.key_id]
        ciphertext = nonce + cipher.encrypt(nonce, orjson.dumps(hidden), _bound_to(obj))
        return {
            "sealed": {"keyID": self.key_id, "ciphertext": base64.b64encode(ciphertext).decode()},
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "metadata": {name: value for name, value in metadata.items() if name in CLEAR_METADATA},
        }

    def unseal(self, raw: bytes) -> bytes:
        """The object's plain JSON with the same resourceVersion; what isn't sealed comes back as it is.
        Raises Unsealable."""
        obj = _sealed(raw)
        return raw if obj is None else orjson.dumps(self._open(obj))

    def show(self, raw: bytes) -> bytes:
        """As `unseal`; of what can't be opened, what can be read, and the reason."""
        obj = _sealed(raw)
        if obj is None:
            return raw
        try:
            return orjson.dumps(self._open(obj))
        except Unsealable as err:
            log.error("an object can't be opened", kind=obj["kind"], name=_who(obj), reason=str(err))
            metadata = {**obj["metadata"], "annotations": {UNREADABLE: str(err)}}
            return orjson.dumps({"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata})

    def _open(self, obj: Obj) -> Obj:
        key_id = str(obj["sealed"].get("keyID"))
        cipher = self._cipher_of(key_id)
        if cipher is None:
            raise Unsealable(
                f"{obj['kind']} {_who(obj)} was sealed with the key {key_id}, which this server does not have"
            )
        try:
            ciphertext = base64.b64decode(obj["sealed"].get("ciphertext") or "", validate=True)
            nonce, body = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:]
            hidden: Obj = orjson.loads(cipher.decrypt(nonce, body, _bound_to(obj)))
        except (InvalidTag, binascii.Error, ValueError) as err:
            raise Unsealable(
                f"{obj['kind']} {_who(obj)} can't be opened: the ciphertext does not belong to it"
            ) from err
        metadata = {**obj["metadata"], **hidden.pop("metadata", {})}
        return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata, **hidden}

    def _cipher_of(self, key_id: str) -> AESGCM | None:
        now = time.monotonic()
        if key_id not in self._ciphers and now - self._reloaded_at >= RELOAD_SECONDS:
            self._reloaded_at = now
            try:
                self.reload()
            except KeyFileError as err:
                log.error("the keys of Secrets can't be read again", reason=str(err))
        return self._ciphers.get(key_id)


def key_id_of(raw: bytes) -> str | None:
    """Which key an object was sealed with; None for one that is not sealed."""
    obj = _sealed(raw)
    return None if obj is None else str(obj["sealed"].get("keyID"))


def _sealed(raw: bytes) -> Obj | None:
    """None for what isn't sealed: a custom resource may have a field of this name."""
    if not raw.startswith(_START):
        return None
    obj: Obj = orjson.loads(raw)
    return obj if (obj.get("apiVersion"), obj.get("kind")) in SEALED_KINDS else None


def _who(obj: Obj) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"


def _bound_to(obj: Obj) -> bytes:
    """What a ciphertext is tied to. JSON, so that no two places can be written alike."""
    resource = SEALED_KINDS.get((obj["apiVersion"], obj["kind"]))
    if resource is None:
        raise ValueError(f"{obj['kind']} is not a sealed kind")
    metadata = obj["metadata"]
    place = [resource.group, resource.resource, metadata.get("namespace", ""), metadata["name"], metadata["uid"]]
    return orjson.dumps(place)
