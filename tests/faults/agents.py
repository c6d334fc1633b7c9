"""The agents of a whole backbeat as a test of their deaths sees them: processes, their cursors in NATS, their logs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from broker.connection import Connection
from deploy import status
from deploy.datadir import DataDir
from tests.conftest import eventually
from tests.plane import ControlPlane

STREAM = "CHANGES"
RESTART_SECONDS = 60.0
COLLISIONS = 5


class Agents:
    """Knows the pids, so that a kill comes at once and not after a look at the status."""

    def __init__(self, plane: ControlPlane, *names: str) -> None:
        """The processes of a control plane that is up."""
        self.plane = plane
        self.kills = dict.fromkeys(names, 0)
        self._pids = {name: self._well()[name] for name in names}

    @property
    def names(self) -> list[str]:
        return list(self.kills)

    def pid(self, name: str) -> int:
        return self._pids[name]

    async def kill(self, name: str) -> None:
        """kill -9; returns once its successor is well."""
        dead = self._pids[name]
        os.kill(dead, signal.SIGKILL)
        self.kills[name] += 1
        await self.succeeded(name, dead)

    async def succeeded(self, name: str, dead: int) -> None:
        """Wait until another process than the dead one is well."""

        def there() -> bool:
            return self._well().get(name, dead) != dead

        await eventually(there, timeout_seconds=RESTART_SECONDS, what=f"{name} restarted")
        self._pids[name] = self._well()[name]

    async def replaced(self, name: str, old: int) -> None:
        """Wait until another process than the old one runs; one that stands by need not say that it is well."""

        def there() -> bool:
            return self._running().get(name, 0) not in (0, old)

        await eventually(there, timeout_seconds=RESTART_SECONDS, what=f"{name} replaced")
        self._pids[name] = self._running()[name]

    def _running(self) -> dict[str, int]:
        _, rows = status.rows(DataDir.at(self.plane.data_dir))
        return {row.process.name: row.process.pid for row in rows}

    def _well(self) -> dict[str, int]:
        """The pids of the processes that are healthy. As `backbeat status` says, but no process is started to look."""
        _, rows = status.rows(DataDir.at(self.plane.data_dir))
        return {row.process.name: row.process.pid for row in rows if row.health.ok}


@dataclass(frozen=True, slots=True)
class Attachment:
    """An agent began to listen. `fresh`: as one that knows nothing of before."""

    agent: str
    cursor: int
    fresh: bool


def attachments(plane: ControlPlane, name: str) -> list[Attachment]:
    """All of a process's lives, as its log tells them."""
    told = [line for line in log_lines(plane, name) if line.get("event") == "agent follows"]
    return [Attachment(line["agent"], line["cursor"], line["fresh"]) for line in told]


def check_resumed(plane: ControlPlane, name: str, *, kills: int) -> None:
    """It knew nothing of before in its first life only, and no life began before the one it succeeded."""
    told = attachments(plane, name)
    assert len(told) > kills
    assert [one.fresh for one in told] == [True, *[False] * (len(told) - 1)]
    places = [one.cursor for one in told]
    assert places == sorted(places), f"{name} went back: {places}"


def complaints(plane: ControlPlane, name: str) -> list[str]:
    """What its log has of bugs and of keys that could not be brought in order. Writes that collide a few times in a
    row are neither."""
    return [
        str(line)
        for line in log_lines(plane, name)
        if line.get("level") in ("error", "critical")
        or (line.get("event") == "keeps failing" and line["failures"] > COLLISIONS)
    ]


def log_lines(plane: ControlPlane, name: str) -> Iterator[Mapping[str, Any]]:
    """A line that a kill cut off is left out."""
    for line in plane.log(name).splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield told


@dataclass(frozen=True, slots=True)
class Cursor:
    """A durable consumer. `created` and `begun` never change while it is the same one."""

    created: str
    begun: int
    acknowledged: int
    waiting: int
    """Changes that it selects and that are not delivered, or not acknowledged."""

    def is_same_as(self, other: Cursor) -> bool:
        return (self.created, self.begun) == (other.created, other.begun)


async def cursors(plane: ControlPlane) -> dict[str, Cursor]:
    """By the name of the Subscription. Without the consumers that do not last: API servers read the stream by these."""
    port = json.loads((plane.data_dir / "settings.json").read_text())["nats_port"]
    credentials = plane.data_dir / "nats-apiserver.creds"
    async with Connection(f"nats://127.0.0.1:{port}?credentials={credentials}", name="test").running() as bus:
        answer = await bus.api(f"CONSUMER.LIST.{STREAM}")
    return {one["name"]: _cursor(one) for one in answer["consumers"] if one["config"].get("durable_name")}


def _cursor(info: Mapping[str, Any]) -> Cursor:
    begun = int(info["config"].get("opt_start_seq", 1)) - 1
    return Cursor(
        created=info["created"],
        begun=begun,
        acknowledged=max(begun, info["ack_floor"]["stream_seq"]),
        waiting=info["num_pending"] + info["num_ack_pending"],
    )
