"""`backbeat history`: every version of one object that is kept, as the difference to the one before.

An object that was deleted and made again has several lives; each begins anew. Where the first version that is kept is
not the first that there was, it is shown whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from deploy.commands.changes import Told, every, query_of
from deploy.commands.objects import as_yaml, without_noise
from deploy.commands.output import TYPE_COLOURS, Output
from deploy.commands.plane import Plane
from deploy.errors import UserError

_COLOURS = {"+": "green", "-": "red", "@": "cyan", " ": ""}


@dataclass(frozen=True, slots=True)
class Version:
    """`before` is the version that it replaced; None: there was none, or it is not kept."""

    told: Told
    before: Told | None

    @property
    def whole(self) -> bool:
        """It replaced a version that is not kept."""
        return self.before is None and self.told.type != "ADDED"


def versions(changes: Iterable[Told]) -> Iterator[Version]:
    before: Told | None = None
    for told in changes:
        yield Version(told, None if told.type == "ADDED" else before)
        before = None if told.type == "DELETED" else told


def difference(version: Version) -> list[str]:
    """A unified diff without its two file names; of a version that is shown whole, its lines."""
    now = _lines(version.told)
    if version.whole:
        return [f" {line}" for line in now]
    then = _lines(version.before) if version.before is not None else []
    return [line.rstrip("\n") for line in difflib.unified_diff(then, now, lineterm="")][2:]


def _lines(told: Told) -> list[str]:
    return as_yaml(without_noise(told.object)).splitlines()


async def history(plane: Plane, kind_and_name: str, *, namespace: str, json: bool) -> None:
    kind, slash, name = kind_and_name.partition("/")
    if not slash or not kind or not name:
        raise UserError(f'want KIND/NAME, such as deployment/web, not "{kind_and_name}"')
    where = plane.namespace(namespace)
    query = query_of(resources=[kind_and_name], namespace=where)
    async with aclosing(every(plane.transport, query)) as changes:
        found = list(versions([told async for told in changes]))
    if not found:
        raise UserError(f"the stream holds no change of {kind_and_name} (looked in the namespace {where})")
    output = Output()
    if json:
        output.json([_document(version) for version in found])
        return
    for version in found:
        _show(output, version)


def _document(version: Version) -> dict[str, Any]:
    told = version.told
    return {
        "resourceVersion": str(told.rv),
        "time": told.time,
        "type": told.type,
        "actor": told.actor,
        **({"cause": str(told.cause)} if told.cause is not None else {}),
        "diff": difference(version),
        "object": told.object,
    }


def _show(output: Output, version: Version) -> None:
    told = version.told
    because = f"  because of {told.cause}" if told.cause is not None else ""
    output.line(
        (f"version {told.rv}", "bold"),
        ("  ", ""),
        (told.type, TYPE_COLOURS.get(told.type, "")),
        (f"  {told.time}  {told.actor}{because}", ""),
    )
    for line in _body(version):
        output.line((line, _COLOURS[line[0]]))
    output.line(("", ""))


def _body(version: Version) -> Sequence[str]:
    lines = difference(version)
    if version.whole:
        return ["  (the version before it is not kept; this is the whole object)", *(f"  {line[1:]}" for line in lines)]
    return lines
