"""`backbeat lag`: all subscribers, and how far each of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agents.client.resources import SUBSCRIPTIONS, path
from agents.client.transport import ApiUnavailable
from apiserver.api.kinds.subscription import listens_to, state_of
from deploy.commands.output import Output, columns, note
from deploy.commands.plane import Plane
from deploy.status import age

HEADER = ("NAME", "LISTENS TO", "ACKNOWLEDGED", "LAG", "LAST SEEN", "STATE")
REFRESH_SECONDS = 1.0
_COLOURS = {"Ready": "green", "Pending": "yellow", "Terminating": "yellow"}

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    name: str
    listens_to: str
    acknowledged: int
    lag: int
    last_seen: datetime | None
    connected: bool
    state: str

    @classmethod
    def read(cls, obj: Obj) -> Subscriber:
        status = obj.get("status") or {}
        seen = status.get("lastSeen")
        return cls(
            name=obj["metadata"]["name"],
            listens_to=listens_to(obj.get("spec") or {}),
            acknowledged=status.get("acknowledged") or 0,
            lag=status.get("lag") or 0,
            last_seen=datetime.fromisoformat(seen) if seen else None,
            connected=bool(status.get("connected")),
            state=state_of(obj),
        )

    def cells(self, now: datetime) -> tuple[str, ...]:
        if self.connected:
            seen = "now"
        elif self.last_seen is not None:
            seen = f"{age((now - self.last_seen).total_seconds())} ago"
        else:
            seen = "never"
        return (self.name, self.listens_to, str(self.acknowledged), str(self.lag), seen, self.state)

    def document(self) -> Obj:
        return {
            "name": self.name,
            "listensTo": self.listens_to,
            "acknowledged": self.acknowledged,
            "lag": self.lag,
            "lastSeen": self.last_seen.isoformat().replace("+00:00", "Z") if self.last_seen else None,
            "connected": self.connected,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Lag:
    """All subscribers at a resourceVersion, those that lag most first."""

    rv: str
    subscribers: Sequence[Subscriber]

    @classmethod
    async def ask(cls, plane: Plane) -> Lag:
        """Raises StatusError."""
        found = await plane.transport.read(path(SUBSCRIPTIONS))
        subscribers = [Subscriber.read(item) for item in found["items"]]
        return cls(found["metadata"]["resourceVersion"], sorted(subscribers, key=lambda one: (-one.lag, one.name)))

    def document(self) -> Obj:
        return {"resourceVersion": self.rv, "subscribers": [one.document() for one in self.subscribers]}


async def lag(plane: Plane, *, watch: bool | None, json: bool) -> None:
    """`watch` None: as long as somebody looks on at a table."""
    output = Output(live=bool(watch))
    if output.is_terminal and not json and watch is not False:
        await _live(plane)
        return
    while True:
        found = await Lag.ask(plane)
        if json:
            (output.json_line if watch else output.json)(found.document())
        else:
            _print(output, found)
        if not watch:
            return
        await asyncio.sleep(REFRESH_SECONDS)


def _print(output: Output, found: Lag) -> None:
    if not found.subscribers:
        note("Nobody listens.")
        return
    now = datetime.now(UTC)
    for line in columns([HEADER, *(one.cells(now) for one in found.subscribers)]):
        output.text(line)


async def _live(plane: Plane) -> None:
    found = await Lag.ask(plane)
    console = Console(highlight=False)
    with Live(_table(found), console=console, auto_refresh=False) as live:
        while True:
            live.refresh()
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                found = await Lag.ask(plane)
                live.update(_table(found))
            except ApiUnavailable as err:
                live.update(_table(found, trouble=err.message))


def _table(found: Lag, *, trouble: str = "") -> Table:
    caption = trouble or f"resourceVersion {found.rv}; Ctrl-C ends"
    table = Table(box=None, pad_edge=False, header_style="bold", caption=Text(caption), caption_justify="left")
    for header in HEADER:
        right = header in ("ACKNOWLEDGED", "LAG")
        table.add_column(header, justify="right" if right else "left", no_wrap=header != "LISTENS TO")
    now = datetime.now(UTC)
    for one in found.subscribers:
        name, listens, acknowledged, behind, seen, state = one.cells(now)
        table.add_row(
            Text(name),
            Text(listens),
            Text(acknowledged),
            Text(behind, "yellow" if one.lag else ""),
            Text(seen, "" if one.connected else "dim"),
            Text(state, _COLOURS.get(state, "red")),
        )
    return table
