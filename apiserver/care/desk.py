"""The paths below /backbeat/ that look after the control plane. Only `system:masters` get here (see `authz.static`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

from apiserver.api import status
from apiserver.authn import User
from apiserver.care import told
from apiserver.care.archive import MOST_LINE_BYTES
from apiserver.care.backup import Backup
from apiserver.care.doctor import Doctor
from apiserver.care.repair import Repair, Source
from apiserver.care.restore import Restore
from apiserver.care.rotation import Rotation
from apiserver.rest.http import Response, Stream, json_response
from apiserver.rest.request import HttpRequest, Query
from apiserver.rest.routes import not_allowed

DOCTOR = "/backbeat/doctor"
REPAIR = "/backbeat/repair"
BACKUP = "/backbeat/backup"
RESTORE = "/backbeat/restore"
ROTATE = "/backbeat/secrets/rotate"


class CareDesk:
    """Implements `Extension`, and `Upload` for what is restored."""

    upload_path = RESTORE

    def __init__(self, doctor: Doctor, repair: Repair, backup: Backup, restore: Restore, rotation: Rotation) -> None:
        self._doctor = doctor
        self._repair = repair
        self._backup = backup
        self._restore = restore
        self._rotation = rotation
        self._closed: asyncio.Future[None] | None = None

    def close(self) -> None:
        """Cut off whoever is still being told: the server stops."""
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    async def serve(self, incoming: HttpRequest, user: User) -> Response | Stream | None:
        query = incoming.query
        match incoming.info.path, incoming.method:
            case "/backbeat/doctor", "GET":
                return self._answer(self._doctor.examine())
            case "/backbeat/repair", "GET":
                return self._answer(self._repair.plan(_source(query)))
            case "/backbeat/repair", "POST":
                accept = bool(query.flag("acceptLoss"))
                return self._answer(self._repair.run(_source(query), user, accept_loss=accept))
            case "/backbeat/backup", "GET":
                return self._answer(self._backup.copy(history=query.flag("history") is not False))
            case "/backbeat/restore", "GET":
                return json_response(await self._look())
            case "/backbeat/secrets/rotate", "POST":
                return self._answer(self._rotation.rotate(user))
            case path, _ if path in (DOCTOR, REPAIR, BACKUP, RESTORE, ROTATE):
                raise not_allowed()
        return None

    async def take(self, incoming: HttpRequest, pieces: AsyncIterator[bytes]) -> Response:
        """A backup, as it comes in."""
        force = bool(incoming.query.flag("force"))
        try:
            return json_response(await self._restore.take(_lines(pieces), force=force))
        except Exception as err:
            raise told.refusal_of(err) from err

    def _answer(self, lines: told.Lines) -> Stream:
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
        return told.answer(lines, self._closed)

    async def _look(self) -> told.Line:
        try:
            return await self._restore.look()
        except Exception as err:
            raise told.refusal_of(err) from err


def _source(query: Query) -> Source:
    given = query.text("from")
    if given not in ("", "stream", "record"):
        raise status.BadRequest(f'from: want stream or record, not "{given}"')
    return cast("Source", given)


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Raises BadRequest for a line that is longer than any of ours."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > MOST_LINE_BYTES:
            raise status.BadRequest("a line of the backup is too long")
    if rest:
        yield rest
