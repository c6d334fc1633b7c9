"""Read a container's log as it stands on disk: the CRI's format, across rotation, from the end or as it grows.

A line is `<RFC 3339 nano> <stdout|stderr> <F|P> <text>`; parts (P) are joined without a newline between them. Files in
the order of their lines: `0.log.000001`, `0.log.000002`, …, `0.log`. Lines that rotation has removed are gone: a
follower that is slower than five rotations misses some, and nobody is told.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from agents.kubelet.runtime import LogOptions

BLOCK = 256 * 1024
BATCH_LINES = 1000
FOLLOW_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    stamp: bytes
    text: bytes  # with its newline, unless it is part of a line


def parse(raw: bytes) -> Line | None:
    """One line of the file, without its newline. None: not the CRI's format, for example torn by a crash."""
    parts = raw.split(b" ", 3)
    if len(parts) != 4 or parts[2] not in (b"F", b"P"):
        return None
    return Line(parts[0], parts[3] + b"\n" if parts[2] == b"F" else parts[3])


def files(path: Path) -> list[Path]:
    """What there is of this log, oldest first."""
    rotated = sorted(p for p in path.parent.glob(path.name + ".*") if p.name.rpartition(".")[2].isdigit())
    return [*rotated, path] if path.exists() else rotated


class Reader:
    """Goes through the files in order; remembers by inode where it stands, because names move."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._file = -1
        self._inode = 0

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def lines(self) -> Iterator[Line]:
        """What has not been read yet, up to the end as it is now."""
        while True:
            if self._file >= 0:
                yield from self._rest_of_file()
            following = self._after()
            if following is None:
                return
            try:
                descriptor = os.open(following, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue  # rotated between the two looks: look again
            if self._file >= 0:
                yield from self._rest_of_file()  # it may have grown between its end and its rotation
                os.close(self._file)
            self._file, self._inode = descriptor, os.fstat(descriptor).st_ino

    def _after(self) -> Path | None:
        """The file after the open one; the first where none is open, or where rotation took the open one away."""
        present = []
        for path in files(self._path):
            with suppress(FileNotFoundError):
                present.append((path.stat().st_ino, path))
        inodes = [inode for inode, _ in present]
        at = inodes.index(self._inode) + 1 if self._file >= 0 and self._inode in inodes else 0
        return present[at][1] if at < len(present) else None

    def _rest_of_file(self) -> Iterator[Line]:
        while block := os.read(self._file, BLOCK):
            raws = (self._rest + block).split(b"\n")
            self._rest = raws.pop()
            for raw in raws:
                line = parse(raw)
                if line is not None:
                    yield line


class _Shown:
    """Lines as users see them, within a budget of bytes."""

    def __init__(self, options: LogOptions) -> None:
        self._timestamps = options.timestamps
        self.left = options.limit_bytes
        self._line_begins = True

    def join(self, lines: Iterable[Line]) -> bytes:
        shown = b"".join(self._one(line) for line in lines)
        if self.left is not None:
            shown = shown[: self.left]
            self.left -= len(shown)
        return shown

    def _one(self, line: Line) -> bytes:
        prefix = line.stamp + b" " if self._timestamps and self._line_begins else b""
        self._line_begins = line.text.endswith(b"\n")
        return prefix + line.text


async def read(path: Path, options: LogOptions, *, ended: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
    """The log as `kubectl logs` shows it, in blocks. With `follow` it goes on until `ended()` and all was read."""
    shown = _Shown(options)
    reader = Reader(path)
    try:
        async for lines in _batches(reader, options, ended):
            block = shown.join(lines)
            if block:
                yield block
            if shown.left == 0:
                return
    finally:
        reader.close()


async def _batches(
    reader: Reader, options: LogOptions, ended: Callable[[], Awaitable[bool]]
) -> AsyncIterator[list[Line]]:
    beginning = _beginning(reader, options)
    while batch := await asyncio.to_thread(_take, beginning):
        yield batch
    while options.follow:
        last = await ended()  # asked before the reading, so that what came before the end is read
        yield list(reader.lines())
        if last:
            return
        await asyncio.sleep(FOLLOW_SECONDS)


def _take(lines: Iterator[Line]) -> list[Line]:
    return list(islice(lines, BATCH_LINES))


def _beginning(reader: Reader, options: LogOptions) -> Iterator[Line]:
    """A generator, so that the work of a tail is done where it is taken from: in a thread."""
    since = _stamp(options.since)
    chosen = (line for line in reader.lines() if not since or line.stamp >= since)
    if options.tail_lines is None:
        yield from chosen
    else:
        yield from _tail(chosen, options.tail_lines)


def _tail(lines: Iterator[Line], count: int) -> Iterator[Line]:
    """The last `count` lines; parts of a line count as one."""
    whole: deque[list[Line]] = deque(maxlen=count)
    parts: list[Line] = []
    for line in lines:
        parts.append(line)
        if line.text.endswith(b"\n"):
            whole.append(parts)
            parts = []
    if parts:
        whole.append(parts)
    return (line for group in whole for line in group)


def _stamp(moment: datetime | None) -> bytes:
    """Comparable with the stamps of the log: same form, fewer digits."""
    if moment is None:
        return b""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode()
