"""`backbeat restore`: a backup takes the place of what a control plane holds.

The file is read to its end and found whole before anything is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from apiserver.care import contents
from deploy.commands import archive_file
from deploy.commands.archive_file import Contents
from deploy.commands.care import Obj, Shown, told
from deploy.commands.output import Output, note
from deploy.commands.plane import Plane
from deploy.errors import UserError

PATH = "/backbeat/restore"
PIECE_BYTES = 256 * 1024


async def restore(plane: Plane, path: Path, *, force: bool, json: bool) -> None:
    """Raises UserError, StatusError."""
    shown = Shown()
    found = await asyncio.to_thread(archive_file.verify, path, shown)
    there = await plane.transport.read(PATH)
    _check(found, there, force=force)
    [answer] = [line async for line in _sent(plane, path, force=force)]
    end: Obj = answer["end"]
    output = Output()
    if json:
        output.json(end)
        return
    output.text(f"Restored resourceVersion {end['resourceVersion']}: {end['objects']} objects.")
    output.text(f"Numbers go on behind {end['continuesAfter']}; the stream holds {end['history']} changes from before.")
    if end["historyLost"]:
        note(f"The history was not restored: {end['historyLost']}")
    if not end["published"]:
        note("The stream is not complete yet; `backbeat doctor` tells when it is.")


def _check(found: Contents, there: Obj, *, force: bool) -> None:
    """Say what would be lost. Raises UserError."""
    missing = [key for key in found.record.keys if key not in there["keys"]]
    if missing:
        told = (
            f"Secrets in the backup were sealed with keys that the API server does not have ({', '.join(missing)}); "
            "put the lines of the key file of then into its key file first"
        )
        _refuse_or_note(told, "leaves these Secrets unreadable", force=force)
    if there["holds"]:
        told = (
            f"this control plane is not empty: it holds {contents.in_words(there['holds'])}, at resourceVersion "
            f"{there['resourceVersion']}"
        )
        _refuse_or_note(told, "replaces all of it", force=force)


def _refuse_or_note(told: str, what_force_does: str, *, force: bool) -> None:
    if not force:
        raise UserError(f"{told}; --force {what_force_does}")
    note(f"Although {told}: --force {what_force_does}.")


async def _sent(plane: Plane, path: Path, *, force: bool) -> AsyncGenerator[Obj, None]:
    query = {"force": "true"} if force else {}
    async for line in told(plane, PATH, method="POST", query=query, body=_pieces(path)):
        yield line


async def _pieces(path: Path) -> AsyncGenerator[bytes, None]:
    """The lines, many at a time."""
    lines = archive_file.lines_of(path)
    while piece := await asyncio.to_thread(_piece, lines):
        yield piece


def _piece(lines: archive_file.Lines) -> bytes:
    parts: list[bytes] = []
    size = 0
    for line in lines:
        parts.append(line + b"\n")
        size += len(line)
        if size >= PIECE_BYTES:
            break
    return b"".join(parts)
