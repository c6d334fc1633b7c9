"""What an agent's informers know, kept on disk, so that its next life need not ask for all of it again.

The file holds the selected objects as of one change, `KeptState.rv`, exactly: what was heard is written some moments
later, many changes in one transaction, and never more than was heard. It may so be behind what was acknowledged; then
the broker is asked for the changes between once more. Whether the file belongs to this stream can be told: the broker's
change of that number must be the one that is remembered here (`KeptState.mark`).

It is a copy and can be thrown away at any moment: then the next start LISTs. That is what happens when another version
of the program wrote it, when other resources are watched, when another process has it open, and when the disk fails.

One process at a time. Most reads are made by the event loop's thread, writes by others; SQLite's WAL lets them go side
by side, and what a reader still asks for is not written meanwhile: see `Informer.recall_from`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson
import structlog

log = structlog.get_logger(__name__)

Obj = dict[str, Any]
Place = tuple[str, str]

FORMAT = 1
FLUSH_SECONDS = 0.5
PAGE = 200
_SCHEMA = """
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), layout TEXT, rv INTEGER, mark BLOB);
CREATE TABLE objects (
    id INTEGER PRIMARY KEY, resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, json BLOB NOT NULL,
    UNIQUE (resource, namespace, name)
);
CREATE TABLE entries (
    found_by TEXT NOT NULL, value TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (found_by, value, id)
) WITHOUT ROWID;
CREATE INDEX entries_of ON entries (id);
"""


class KeptLost(Exception):
    """What was kept can no longer be read. The process must end: its next life asks for everything."""


class Entry(NamedTuple):
    """An index, and a value that an object is found by in it."""

    found_by: str
    value: str


@dataclass(frozen=True, slots=True)
class KeptObject:
    """An object as it is to be kept; without `json` it is gone."""

    resource: str
    place: Place
    json: bytes | None
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, slots=True)
class KeptState:
    """The state after the change `rv`, which `mark` tells from any other of that number."""

    rv: int
    mark: bytes


@dataclass(frozen=True, slots=True)
class _Replacement:
    objects: Iterable[KeptObject]
    rv: int


def mark_of(subject: str, body: bytes) -> bytes:
    return hashlib.blake2b(subject.encode() + b"\0" + body, digest_size=16).digest()


class Kept:
    """`open` and `close`. Every failure of the disk ends it quietly: then nothing is kept any more."""

    def __init__(self, path: Path, *, layout: str) -> None:
        self._path = path
        self._layout = f"{FORMAT} {layout}"
        self._lock: IO[bytes] | None = None
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kept")
        """One thread, so that what was taken first is written first."""
        self._reading = threading.Lock()
        self._noted: dict[tuple[str, Place], KeptObject] = {}
        self._heard: KeptState | None = None
        self._replacement: _Replacement | None = None

    def open(self) -> None:
        """Make the file where there is none, or none that is of use."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._path.with_suffix(".lock"))
        if self._lock is None:
            log.warning("another process keeps its copy in this file", file=str(self._path))
            return
        try:
            if not self._is_of_this_layout():
                self._make_new()
            self._writer, self._reader = self._connect(), self._connect()
        except (sqlite3.Error, OSError) as err:
            self._give_up(err)

    @property
    def usable(self) -> bool:
        return self._reader is not None

    def close(self) -> None:
        self._writing.shutdown()
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def state(self) -> KeptState | None:
        """None: it was never complete."""
        for rv, mark in self._read("SELECT rv, mark FROM state WHERE mark IS NOT NULL"):
            return KeptState(rv, mark)
        return None

    # Reading

    def get(self, resource: str, place: Place) -> Obj | None:
        sql = "SELECT json FROM objects WHERE resource = ? AND namespace = ? AND name = ?"
        return next((self._parsed(raw) for (raw,) in self._read(sql, resource, *place)), None)

    def in_namespace(self, resource: str, namespace: str) -> list[Obj]:
        sql = "SELECT json FROM objects WHERE resource = ? AND namespace = ?"
        return [self._parsed(raw) for (raw,) in self._read(sql, resource, namespace)]

    def find(self, entry: Entry) -> list[tuple[str, Obj]]:
        """Resources and objects."""
        sql = "SELECT resource, json FROM entries JOIN objects USING (id) WHERE found_by = ? AND value = ?"
        return [(resource, self._parsed(raw)) for resource, raw in self._read(sql, *entry)]

    def pages(self, resource: str) -> Iterator[Sequence[Obj]]:
        """Everything, a page at a time."""
        last = 0
        sql = "SELECT id, json FROM objects WHERE resource = ? AND id > ? ORDER BY id LIMIT ?"
        while rows := self._read(sql, resource, last, PAGE):
            last = rows[-1][0]
            yield [self._parsed(raw) for _, raw in rows]

    def _read(self, sql: str, *values: object) -> list[Any]:
        """Raises KeptLost."""
        if self._reader is None:
            raise KeptLost(f"{self._path} is closed")
        try:
            with self._reading:
                return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as err:
            self._remove()
            raise KeptLost(f"{self._path}: {err}") from err

    def _parsed(self, raw: bytes) -> Obj:
        """Raises KeptLost: a damaged row must not pass for an object that nobody knows."""
        try:
            obj: Obj = orjson.loads(raw)
        except orjson.JSONDecodeError as err:
            self._remove()
            raise KeptLost(f"{self._path} is damaged: {err}") from err
        return obj

    # Writing

    def note(self, one: KeptObject, state: KeptState) -> None:
        """A change was heard. Written by the next `flush`."""
        self._noted[(one.resource, one.place)] = one
        self._heard = state

    def hear(self, state: KeptState) -> None:
        """A change was heard that is about nothing that is kept."""
        self._heard = state

    def replace(self, objects: Iterable[KeptObject], rv: int) -> None:
        """A snapshot at `rv` was taken: these are all there are. Written by the next `flush`, which takes them one by
        one. The file is of use once a change behind `rv` was heard."""
        self._replacement = _Replacement(objects, rv)
        self._noted, self._heard = {}, None

    async def run(self) -> None:
        """Write what is noted, until cancelled; then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            self._begin_write().result()

    async def flush(self) -> None:
        """What was taken to be written is written, also when whoever waits for it is cancelled."""
        await asyncio.shield(asyncio.wrap_future(self._begin_write()))

    def _begin_write(self) -> Future[None]:
        return self._writing.submit(self._write, *self._taken())

    def _taken(self) -> tuple[_Replacement | None, Sequence[KeptObject], KeptState | None]:
        taken = self._replacement, list(self._noted.values()), self._heard
        self._replacement, self._noted, self._heard = None, {}, None
        return taken

    def _write(self, replacement: _Replacement | None, noted: Sequence[KeptObject], state: KeptState | None) -> None:
        """In one transaction, so that the file is never between two states."""
        if self._writer is None or (replacement is None and state is None):
            return
        try:
            with self._writer as connection:
                connection.execute("BEGIN")
                if replacement is not None:
                    _replace(connection, replacement)
                for one in noted:
                    _put(connection, one)
                if state is not None:
                    connection.execute("UPDATE state SET rv = ?, mark = ?", (state.rv, state.mark))
        except (sqlite3.Error, OSError) as err:
            self._give_up(err)

    # The file

    def _is_of_this_layout(self) -> bool:
        if not self._path.exists():
            return False
        try:
            with contextlib.closing(self._connect()) as connection:
                found = connection.execute("SELECT layout FROM state").fetchall()
        except sqlite3.Error as err:
            log.info("a kept copy can't be read, a new one is made", file=str(self._path), reason=str(err))
            return False
        return found == [(self._layout,)]

    def _make_new(self) -> None:
        self._remove()
        os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("INSERT INTO state VALUES (1, ?, 0, NULL)", (self._layout,))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _give_up(self, err: Exception) -> None:
        log.warning("nothing is kept on disk any more: the next start asks for everything", reason=str(err))
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._remove()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


class KeptResource:
    """One resource of the file, as an informer asks for it (`agents.client.informer.Source`)."""

    def __init__(self, kept: Kept, resource: str) -> None:
        self._kept = kept
        self._resource = resource

    def get(self, place: Place) -> Obj | None:
        return self._kept.get(self._resource, place)

    def in_namespace(self, namespace: str) -> Iterable[Obj]:
        return self._kept.in_namespace(self._resource, namespace)

    def find(self, index: str, value: str) -> Iterable[Obj]:
        return [obj for _, obj in self._kept.find(entry_of(self._resource, index, value))]

    def pages(self) -> Iterator[Sequence[Obj]]:
        return self._kept.pages(self._resource)


def entry_of(resource: str, index: str, value: str) -> Entry:
    """In an index of one resource."""
    return Entry(f"{resource} {index}", value)


def _replace(connection: sqlite3.Connection, by: _Replacement) -> None:
    connection.execute("DELETE FROM entries")
    connection.execute("DELETE FROM objects")
    connection.execute("UPDATE state SET rv = ?, mark = NULL", (by.rv,))
    for one in by.objects:
        _put(connection, one)


def _put(connection: sqlite3.Connection, one: KeptObject) -> None:
    key = (one.resource, *one.place)
    if one.json is None:
        where = "resource = ? AND namespace = ? AND name = ?"
        connection.execute(f"DELETE FROM entries WHERE id = (SELECT id FROM objects WHERE {where})", key)  # noqa: S608
        connection.execute(f"DELETE FROM objects WHERE {where}", key)  # noqa: S608 - no value is in the text
        return
    upsert = (
        "INSERT INTO objects (resource, namespace, name, json) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (resource, namespace, name) DO UPDATE SET json = excluded.json RETURNING id"
    )
    (number,) = connection.execute(upsert, (*key, one.json)).fetchone()
    connection.execute("DELETE FROM entries WHERE id = ?", (number,))
    connection.executemany(
        "INSERT OR IGNORE INTO entries VALUES (?, ?, ?)", [(*entry, number) for entry in one.entries]
    )


def _locked(path: Path) -> IO[bytes] | None:
    lock = path.open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def layout_of(watched: Mapping[str, object], *, build: Path) -> str:
    """Changes with what is watched and indexed, and with the program: what an index finds is up to its code."""
    files = sorted((str(p.relative_to(build)), p.stat().st_size, p.stat().st_mtime_ns) for p in build.rglob("*.py"))
    told = orjson.dumps([watched, files], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(told, digest_size=16).hexdigest()
