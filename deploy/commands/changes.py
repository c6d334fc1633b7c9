"""Changes as the API server tells them (`GET /backbeat/changes`), read across lost connections.

Each change is told once and in order: after a lost connection reading goes on behind the last one that came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from agents.client.transport import ApiUnavailable, Query, Transport
from apiserver.api import status
from broker import subjects
from broker.subjects import Place

PATH = "/backbeat/changes"
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0
TRIES = 10
"""In a row and without any change in between, before a reading that is not endless gives up."""

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One change. Times are as told, RFC 3339; empty where they are not known."""

    rv: int
    place: Place | None
    """None: a foreign message."""
    frame: Obj
    actor: str = ""
    received: str = ""
    time: str = ""
    published: str = ""
    cause: int | None = None
    heard: str = ""

    @property
    def type(self) -> str:
        return str(self.frame["type"])

    @property
    def object(self) -> Obj:
        found: Obj = self.frame["object"]
        return found

    @property
    def where(self) -> str:
        return named(self.place) if self.place is not None else "?"

    @property
    def moment(self) -> datetime | None:
        text = self.time or self.published
        return datetime.fromisoformat(text) if text else None


def named(place: Place) -> str:
    """`pods/default/web-1`, `deployments.apps/default/web`, `nodes/node-1`."""
    resource = status.qualified(place.resource, place.group)
    return "/".join(part for part in (resource, place.namespace, place.name) if part)


def read(line: bytes) -> Told:
    """Raises StatusError where the line tells why there are no more."""
    told = orjson.loads(line)
    if "resourceVersion" not in told:
        failure = told["frame"]["object"]
        raise status.from_status(failure, code=failure.get("code", 500))
    return Told(
        rv=told["resourceVersion"],
        place=_place(told["subject"]),
        frame=told["frame"],
        actor=told.get("actor", ""),
        received=told.get("received", ""),
        time=told.get("time", ""),
        published=told.get("published", ""),
        cause=told.get("cause"),
        heard=told.get("heard", ""),
    )


def _place(subject: str) -> Place | None:
    try:
        return subjects.parse(subject)
    except subjects.BadSubject:
        return None


def query_of(
    *,
    resources: Sequence[str] = (),
    namespace: str = "",
    first: int | None = None,
    last: int | None = None,
    since: str = "",
    follow: bool = False,
    reactions: bool = False,
) -> dict[str, str | Sequence[str]]:
    named = [one for text in resources for one in text.split(",") if one]
    given: Mapping[str, str | Sequence[str]] = {
        "resource": named,
        "namespace": namespace,
        "from": "" if first is None else str(first),
        "to": "" if last is None else str(last),
        "since": since,
        "follow": "true" if follow else "",
        "reactions": "true" if reactions else "",
    }
    return {key: value for key, value in given.items() if value}


async def every(
    transport: Transport, query: Query, *, lost: Callable[[ApiUnavailable], None] = lambda err: None
) -> AsyncGenerator[Told, None]:
    """Until the end, or endlessly where the query says so. `lost` is called when a connection is lost that will be
    made again. Raises StatusError, also ApiUnavailable where there was none from the start, or where reading cannot go
    on in the middle: reactions are recognised by what was read before."""
    tries = 0
    pause = FIRST_PAUSE_SECONDS
    reached = 0
    while True:
        try:
            async for line in transport.lines(PATH, query=query):
                told = read(line)
                reached, tries, pause = told.rv, 0, FIRST_PAUSE_SECONDS
                yield told
            return
        except status.ServiceUnavailable as err:
            tries += 1
            if not reached or "reactions" in query or (tries >= TRIES and "follow" not in query):
                raise
            if tries == 1 and isinstance(err, ApiUnavailable):
                lost(err)
        if str(reached) == query.get("to"):
            return
        query = {key: value for key, value in query.items() if key != "since"} | {"from": str(reached + 1)}
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
