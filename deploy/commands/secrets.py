"""`backbeat secrets rotate`: a new key for Secrets, and every Secret sealed anew with it."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import typer

from apiserver.store.keyring import KeyFileError, add
from deploy.commands.care import Obj, Shown, told
from deploy.commands.output import Output, note
from deploy.commands.plane import Plane
from deploy.errors import UserError

PATH = "/backbeat/secrets/rotate"


async def rotate(plane: Plane, key_file: Path | None, *, json: bool) -> None:
    """`key_file`: where a new key is put in front; None: the API server's first key is taken. Raises UserError,
    StatusError, typer.Exit."""
    if key_file is not None:
        try:
            added = add(key_file)
        except KeyFileError as err:
            raise UserError(str(err)) from err
        if not json:
            note(f"A new key, {added.id}, stands in front of {key_file}.")
    end: Obj = {}
    async with aclosing(told(plane, PATH, method="POST", shown=None if json else Shown())) as lines:
        async for line in lines:
            end = line["end"]
    output = Output()
    if json:
        output.json(end)
    else:
        _show(output, end)
    if end["unreadable"]:
        raise typer.Exit(1)


def _show(output: Output, end: Obj) -> None:
    output.text(f"{end['rotated']} Secrets were sealed anew with the key {end['key']}, {end['already']} were already.")
    if end["otherKeys"]:
        output.text(
            f"The other keys ({', '.join(end['otherKeys'])}) are needed for as long as the stream or a backup holds "
            "what they sealed."
        )
    for why in end["unreadable"]:
        note(f"not sealed anew: {why}")
