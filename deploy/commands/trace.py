"""`backbeat trace`: one object's life as a timeline. What is told of each change, `timeline` says."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.client.resources import SUBSCRIPTIONS, path
from apiserver.api.status import Expired, Forbidden
from broker.subjects import Place
from deploy.commands.changes import Told, every, query_of
from deploy.commands.output import TYPE_COLOURS, Output, note
from deploy.commands.plane import Plane
from deploy.commands.timeline import Chapter, Step, chapters
from deploy.errors import UserError

MOST_CAUSES = 200
"""Looked up one by one, so a long life names the causes of its latest part."""
AT_ONCE = 8
_COLOURS = {"command": "bold", "commit": "bold", "published": "", "heard": "cyan", "reaction": "magenta"}

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    own: list[Told]
    reactions: list[Told]


async def trace(plane: Plane, kind_and_name: str, *, namespace: str, json: bool) -> None:
    kind, _, name = kind_and_name.partition("/")
    if not kind or not name:
        raise UserError(f'want KIND/NAME, such as pod/web-1, not "{kind_and_name}"')
    where = plane.namespace(namespace)
    life = await _life(plane, kind_and_name, where)
    if not life.own:
        raise UserError(f"the stream holds no change of {kind_and_name} (looked in the namespace {where})")
    causes, subscriptions = await asyncio.gather(_causes(plane, life.own), _subscriptions(plane))
    told = chapters(life.own, life.reactions, causes, subscriptions)
    output = Output()
    if json:
        output.json([_document(chapter) for chapter in told])
        return
    if life.own[0].type != "ADDED":
        note("Its first changes are no longer kept.")
    for chapter in told:
        _show(output, chapter)


async def _life(plane: Plane, kind_and_name: str, namespace: str) -> Life:
    query = query_of(resources=[kind_and_name], namespace=namespace, reactions=True)
    own: list[Told] = []
    reactions: list[Told] = []
    itself: tuple[str, ...] | None = None
    async with aclosing(every(plane.transport, query)) as changes:
        async for told in changes:
            if told.place is None:
                continue
            if itself is None:  # nothing reacts to it before it is there
                itself = _identity(told.place)
            (own if _identity(told.place) == itself else reactions).append(told)
    return Life(own, reactions)


def _identity(place: Place) -> tuple[str, ...]:
    """Without the node, which a pod gets later."""
    return (place.group, place.resource, place.namespace, place.name)


async def _causes(plane: Plane, own: Sequence[Told]) -> dict[int, Told]:
    """What the object's changes were reactions to, as far as it is kept and may be seen."""
    numbers = {told.rv for told in own}
    wanted = sorted({told.cause for told in own if told.cause is not None} - numbers)[-MOST_CAUSES:]
    gate = asyncio.Semaphore(AT_ONCE)

    async def look(rv: int) -> list[Told]:
        async with gate:
            try:
                async with aclosing(every(plane.transport, query_of(first=rv, last=rv))) as found:
                    return [told async for told in found]
            except (Expired, Forbidden):
                return []

    return {told.rv: told for found in await asyncio.gather(*(look(rv) for rv in wanted)) for told in found}


async def _subscriptions(plane: Plane) -> list[Obj]:
    try:
        found = await plane.transport.read(path(SUBSCRIPTIONS))
    except Forbidden as err:
        note(f"Who listens is not known: {err.message}")
        return []
    items: list[Obj] = found["items"]
    return items


def _document(chapter: Chapter) -> Obj:
    told = chapter.told
    return {
        "resourceVersion": str(told.rv),
        "type": told.type,
        "object": told.where,
        "actor": told.actor,
        "cause": _cause_document(chapter),
        "received": told.received,
        "committed": told.time,
        "published": told.published,
        "listeners": [{"subscription": one.name, "acknowledged": one.acknowledged} for one in chapter.listeners],
        "reactions": [
            {
                "resourceVersion": str(one.rv),
                "type": one.type,
                "object": one.where,
                "actor": one.actor,
                "heard": one.heard or None,
                "received": one.received,
                "committed": one.time,
            }
            for one in chapter.reactions
        ],
    }


def _cause_document(chapter: Chapter) -> Obj | None:
    told = chapter.told
    if told.cause is None:
        return None
    known = {"type": chapter.cause.type, "object": chapter.cause.where} if chapter.cause is not None else {}
    return {"resourceVersion": str(told.cause), **known, "heard": told.heard or None}


def _show(output: Output, chapter: Chapter) -> None:
    told = chapter.told
    output.line(
        (told.type, TYPE_COLOURS.get(told.type, "")),
        (f" {told.where}", "bold"),
        (f" as {told.rv} by {told.actor}{_because(chapter)}", ""),
    )
    began = chapter.steps[0].moment if chapter.steps else None
    for step in chapter.steps:
        output.line(*_step_cells(step, began))
    if chapter.listeners:
        names = ", ".join(one.name if one.acknowledged else f"{one.name} (not yet)" for one in chapter.listeners)
        output.line((f"{'':29}listeners  ", ""), (names, "cyan"))
    output.line(("", ""))


def _because(chapter: Chapter) -> str:
    if chapter.told.cause is None:
        return ""
    known = f"{chapter.cause.type} {chapter.cause.where} as " if chapter.cause is not None else ""
    return f", because of {known}{chapter.told.cause}"


def _step_cells(step: Step, began: datetime | None) -> list[tuple[str, str]]:
    after = (step.moment - began).total_seconds() * 1000 if began is not None else 0.0
    when = f"  {step.moment:%H:%M:%S.%f}  {f'+{after:.1f} ms':>10}  "
    words = "  ".join(word for word in (step.who, step.detail) if word)
    return [(when, "dim"), (f"{step.what:<9}  ", _COLOURS[step.what]), (words, "")]
