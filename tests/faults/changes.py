"""The stream's messages taken apart, and which of them answers to which write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from broker import subjects
from tests.faults.cluster import Message
from tests.faults.history import History, Outcome, Write
from tests.faults.load import NAMESPACE

_OURS = f"changes.core.configmaps.{NAMESPACE}."

Place = tuple[str, str]
"""As Redis names it: `<group>/<resource>`, `<namespace>/<name>`."""


@dataclass(frozen=True, slots=True)
class Change:
    """One message."""

    number: int
    subject: str
    body: bytes
    type: str
    object: Mapping[str, Any]

    @classmethod
    def of(cls, message: Message) -> Change:
        frame = orjson.loads(message.body)
        assert list(frame) == ["type", "object"], message
        return cls(message.number, message.subject, message.body, frame["type"], frame["object"])

    @property
    def place(self) -> Place:
        place = subjects.parse(self.subject)
        return f"{place.group}/{place.resource}", f"{place.namespace}/{place.name}"

    @property
    def raw(self) -> bytes:
        """The object's JSON."""
        return self.body[len(b'{"type":"%b","object":' % self.type.encode()) : -1]

    @property
    def ours(self) -> bool:
        """Of the objects that a Load writes to."""
        return self.subject.startswith(_OURS)

    @property
    def key(self) -> str:
        return str(self.object["metadata"]["name"])

    @property
    def value(self) -> str:
        return str((self.object.get("data") or {}).get("v", ""))


def lives_of(changes: Iterable[Change]) -> Mapping[Place, Sequence[Change]]:
    """Each object's changes, in order."""
    found: dict[Place, list[Change]] = defaultdict(list)
    for change in changes:
        found[change.place].append(change)
    return found


@dataclass(frozen=True, slots=True)
class Placed:
    """A write and the numbers of the changes that answer to it: one, or none, or else something is wrong."""

    write: Write
    numbers: Sequence[int]

    def __str__(self) -> str:
        w = self.write
        return f"{w.kind} {w.key} {w.value}, {w.outcome.name.lower()} {w.rv or ''} ({w.why}), is {list(self.numbers)}"


def placed(changes: Sequence[Change], history: History) -> list[Placed]:
    """Creations and updates are known by their value. A deletion names the version that it deletes; of several that
    name the same one, it is the acknowledged one's, else the last one's whose outcome is not known."""
    by_value: dict[str, list[int]] = defaultdict(list)
    by_deleted: dict[tuple[str, int], list[int]] = defaultdict(list)
    latest: dict[str, int] = {}
    for change in changes:
        if not change.ours:
            continue
        if change.type == "DELETED":
            by_deleted[(change.key, latest.get(change.key, 0))].append(change.number)
        else:
            by_value[change.value].append(change.number)
        latest[change.key] = change.number
    deleters = _deleters(history)
    return [
        Placed(write, by_value[write.value])
        if write.kind != "DELETED"
        else Placed(write, by_deleted[version] if deleters[version := (write.key, write.base_rv)] is write else [])
        for write in history.writes
    ]


_WEIGHT = {Outcome.REFUSED: 0, Outcome.UNKNOWN: 1, Outcome.ACKNOWLEDGED: 2}


def _deleters(history: History) -> Mapping[tuple[str, int], Write]:
    """For each version that anybody wanted to delete, whose deletion it is if there is one."""
    chosen: dict[tuple[str, int], Write] = {}
    for write in history.writes:
        if write.kind == "DELETED":
            version = (write.key, write.base_rv)
            before = chosen.get(version)
            if before is None or _WEIGHT[write.outcome] >= _WEIGHT[before.outcome]:
                chosen[version] = write
    return chosen
