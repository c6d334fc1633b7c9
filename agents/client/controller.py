"""What the runtime asks of a controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from agents.client.informer import Delta
from agents.client.outcome import Outcome
from agents.client.resources import ResourceRef


class Key(NamedTuple):
    """What a controller reconciles. Cluster-scoped objects have no namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Controller(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def watches(self) -> Mapping[ResourceRef, Callable[[Delta], Iterable[Key]]]:
        """Which keys a change of a resource makes dirty. Pure but for the controller's own indexes; never slow."""
        ...

    async def reconcile(self, key: Key) -> Outcome: ...


Work = tuple[int, Key]
"""A controller's number and a key of it."""

Route = tuple[int, Callable[[Delta], Iterable[Key]]]
"""Which keys of a controller a delta makes dirty."""


def in_turn(works: Iterable[Work]) -> list[Work]:
    """One key of each controller after the other, so that none waits for all keys of the others."""
    counts: dict[int, int] = {}
    turns: list[tuple[int, int, Work]] = []
    for place, work in enumerate(works):
        turn = counts[work[0]] = counts.get(work[0], 0) + 1
        turns.append((turn, place, work))
    return [work for _, _, work in sorted(turns, key=lambda t: t[:2])]
