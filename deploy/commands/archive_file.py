"""A backup as a file: gzip of its lines and of a checksum over them (see `apiserver.care.archive`).

A file is whole or not there: it is written under another name, flushed to the disk, and only then named. It is readable
by its owner only. Nothing that exists is written over.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from apiserver.care import archive
from apiserver.care.archive import BadArchive, Header, RecordEnd
from deploy.commands.care import Shown
from deploy.errors import UserError

Lines = Iterator[bytes]

LEVEL = 6
_CHECKSUM = b'{"checksum":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a whole backup says of itself. `history` counts the changes of it that can be used."""

    header: Header
    record: RecordEnd
    history: int


async def write(path: Path, lines: AsyncIterator[bytes], shown: Shown) -> Contents:
    """Raises UserError; then there is no file."""
    _check_free(path)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # 0600 by itself
    except OSError as err:
        raise UserError(f"cannot write in {path.parent}: {err.strerror}") from err
    scratch = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            found = await _written(out, lines, shown)
            out.flush()
            os.fsync(out.fileno())
        os.link(scratch, path)
        _sync_directory(path.parent)
    except FileExistsError as err:
        raise UserError(f"{path} is there already") from err
    except OSError as err:
        raise UserError(f"cannot write {path}: {err.strerror}") from err
    except BadArchive as err:
        raise UserError(f"the API server told no whole backup: {err}") from err
    finally:
        await asyncio.to_thread(scratch.unlink, missing_ok=True)
    return found


def _check_free(path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} is there already; name another file, or remove it")
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent}")


async def _written(out: IO[bytes], lines: AsyncIterator[bytes], shown: Shown) -> Contents:
    digest = hashlib.sha256()
    reading = _Reading(shown)
    with gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=out, mtime=0) as packed:
        async for raw in lines:
            line = raw.rstrip(b"\n")
            reading.take(line)
            digest.update(line + b"\n")
            packed.write(line + b"\n")
        found = reading.finished()
        packed.write(orjson.dumps({"checksum": f"sha256:{digest.hexdigest()}"}) + b"\n")
    return found


def verify(path: Path, shown: Shown) -> Contents:
    """Read all of it. Raises UserError for what is not a whole, undamaged backup."""
    reading = _Reading(shown)
    try:
        for line in lines_of(path):
            reading.take(line)
        return reading.finished()
    except BadArchive as err:
        raise UserError(f"{path} is not a backup that can be restored: {err}") from err


def lines_of(path: Path) -> Lines:
    """Without the checksum, which is held against them at the end. Raises UserError, BadArchive."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path, "rb") as packed:
            for raw in packed:
                if raw.startswith(_CHECKSUM):
                    if archive.read_line(raw).get("checksum") != f"sha256:{digest.hexdigest()}":
                        raise BadArchive("its checksum is wrong: it was changed or damaged")
                    return
                digest.update(raw)
                yield raw.rstrip(b"\n")
    except FileNotFoundError as err:
        raise UserError(f"there is no file {path}") from err
    except (gzip.BadGzipFile, EOFError, zlib.error) as err:
        raise BadArchive(f"it is damaged, or its end is missing ({err})") from err
    except OSError as err:
        raise UserError(f"{path} cannot be read: {err.strerror}") from err
    raise BadArchive("its end is missing")


class _Reading:
    """Whether lines are those of a backup, in the right order and all there."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._header: Header | None = None
        self._record: RecordEnd | None = None
        self._objects = 0
        self._changes = 0
        self._history = 0
        self._ended = False

    def take(self, raw: bytes) -> None:
        """Raises BadArchive."""
        line = archive.read_line(raw)
        if self._header is None:
            self._header = Header.read(line)
        elif self._ended:
            raise BadArchive("something follows its end")
        elif "object" in line:
            self._objects += 1
        elif "change" in line:
            self._count_change()
        elif "cut" in line:
            self._history = 0
        elif "record" in line and self._record is None:
            self._record = RecordEnd.read(line)
        elif "end" in line and self._record is not None:
            self._ended = True
        else:
            raise BadArchive("a line of another kind stands in it")
        self._show()

    def _count_change(self) -> None:
        if self._record is None:
            self._changes += 1
        else:
            self._history += 1

    def _show(self) -> None:
        header = self._header
        if header is not None and (self._objects + self._history) % 1000 == 0:
            self._shown.at("lines", self._objects + self._history, header.objects + header.changes)

    def finished(self) -> Contents:
        """Raises BadArchive."""
        self._shown.clear()
        header, record = self._header, self._record
        if header is None or record is None or not self._ended:
            raise BadArchive("its end is missing")
        if (self._objects, self._changes) != (record.objects, record.changes):
            raise BadArchive("a part of it is missing")
        return Contents(header=header, record=record, history=self._history)


def _sync_directory(path: Path) -> None:
    """So that the name is on the disk too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
