"""The keys that Secrets are sealed with: from a file, from an environment variable, or both.

The first key writes, all keys read. A key is changed by putting a new one in front (`add`), sealing every Secret anew
(`backbeat secrets rotate`), and removing the old one once nothing holds what it wrote: neither the stream nor a backup.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEY_BYTES = 32


class KeyFileError(Exception):
    """The keys can't be used. The message says what to do."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One AES-256 key. The id tells which key wrote an object, and nothing about the key."""

    id: str
    secret: bytes

    @classmethod
    def of(cls, secret: bytes) -> SealingKey:
        return cls(hashlib.sha256(b"backbeat sealing key\0" + secret).hexdigest()[:16], secret)

    @classmethod
    def new(cls) -> SealingKey:
        return cls.of(os.urandom(KEY_BYTES))

    def __repr__(self) -> str:
        return f"SealingKey({self.id})"

    @property
    def text(self) -> str:
        """How it stands in a file. Keep it secret."""
        return base64.b64encode(self.secret).decode()


@dataclass(frozen=True, slots=True)
class Keyring:
    """Where the keys are. The variable's come before the file's; one of the two is given."""

    file: Path | None = None
    variable: str = field(default="", repr=False)
    """Base64 keys, separated by commas or spaces."""

    def load(self) -> Sequence[SealingKey]:
        """As they are now. Raises KeyFileError."""
        words = [word for word in re.split(r"[\s,]+", self.variable) if word]
        keys = [_key_of(word, f"key {number} of the variable") for number, word in enumerate(words, 1)]
        if self.file is not None:
            keys += load_keys(self.file) if not keys or self.file.exists() else []
        if not keys:
            raise KeyFileError("Secrets need a key to be sealed with: name a file for it, or give one in the variable")
        return list(dict.fromkeys(keys))


def load_keys(path: Path) -> Sequence[SealingKey]:
    """One base64 key of 32 bytes per line, the first one writes; empty lines and `#` comments are skipped. A missing
    file is created with one new key, readable by its owner only. Raises KeyFileError."""
    try:
        if not path.exists():
            _create(path, SealingKey.new().text + "\n")
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as err:
        raise KeyFileError(f"the key file {path} can't be read or created: {err}") from err
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    keys = [_key_of(line, f"{path}, line {number}") for number, line in numbered]
    if not keys:
        raise KeyFileError(f"the key file {path} holds no key; remove it to have a new one made")
    return keys


def add(path: Path) -> SealingKey:
    """Put a new key in front of those in the file. Whoever reads meanwhile sees the old file or the new one. Raises
    KeyFileError."""
    load_keys(path)
    key = SealingKey.new()
    try:
        scratch = _scratch(path, f"{key.text}\n{path.read_text()}")
        scratch.replace(path)
    except OSError as err:
        raise KeyFileError(f"the key file {path} can't be written: {err}") from err
    return key


def _key_of(text: str, where: str) -> SealingKey:
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as err:
        raise KeyFileError(f"{where}: not base64") from err
    if len(secret) != KEY_BYTES:
        raise KeyFileError(f"{where}: the key has {len(secret)} bytes, it must have {KEY_BYTES}")
    return SealingKey.of(secret)


def _create(path: Path, content: str) -> None:
    """Never over another's: two API servers may start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(path, content)
    try:
        os.link(scratch, path)
    except FileExistsError:
        return
    finally:
        scratch.unlink()


def _scratch(path: Path, content: str) -> Path:
    """A file beside it, on disk before anybody is led to it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # 0600 by itself
    with os.fdopen(descriptor, "w") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return Path(name)
