"""`backbeat backup`: record and stream at one resourceVersion in a file, made while all runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import orjson

from apiserver.api import status
from deploy.commands import archive_file
from deploy.commands.archive_file import Contents
from deploy.commands.care import Obj, Shown
from deploy.commands.output import Output
from deploy.commands.plane import Plane

PATH = "/backbeat/backup"
KEYS = "The keys of Secrets are not in it: keep the API server's key file (secrets.keys in a data-dir) safe elsewhere."
_ERROR = b'{"error":'


async def backup(plane: Plane, path: Path, *, history: bool, json: bool) -> None:
    """Raises UserError, StatusError."""
    query = {} if history else {"history": "false"}
    async with aclosing(_lines(plane, query)) as lines:
        found = await archive_file.write(path, lines, Shown())
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    output = Output()
    if json:
        output.json(_document(path, found, size))
        return
    output.text(f"{path}: resourceVersion {found.record.rv}, {_in_words(found)}, {size} bytes")
    output.text(KEYS)


async def _lines(plane: Plane, query: dict[str, str]) -> AsyncGenerator[bytes, None]:
    async for raw in plane.transport.lines(PATH, query=query):
        if raw.startswith(_ERROR):
            error = orjson.loads(raw)["error"]
            raise status.from_status(error, code=int(error.get("code", 500)))
        yield raw


def _in_words(found: Contents) -> str:
    told = f"{found.record.objects} objects"
    return f"{told}, {found.history} earlier changes" if found.history else f"{told}, no history"


def _document(path: Path, found: Contents, size: int) -> Obj:
    return {
        "file": str(path),
        "bytes": size,
        "resourceVersion": found.record.rv,
        "objects": found.record.objects,
        "changes": found.record.changes,
        "history": found.history,
        "keys": list(found.record.keys),
        "time": found.header.time,
    }
