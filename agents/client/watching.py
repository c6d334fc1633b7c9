"""What an agent keeps copies of: its informers, what they select of the stream, and their snapshots."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agents.client.informer import Delta, Informer, metadata_of
from agents.client.resources import ResourceRef
from agents.client.rest import ObjectList, RestClient
from broker.selection import ANY, SelectedResource, Selection

MANY_FILTERS = 16
"""From more resources than these on, everything is selected: the broker then has one filter to match."""
_LISTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Watched:
    informer: Informer
    name: str
    node: str
    metadata_only: bool

    @property
    def field_selector(self) -> str:
        if self.node:
            return f"spec.nodeName={self.node}"
        return f"metadata.name={self.name}" if self.name else ""


class Watching:
    """Declared before the agent runs, then listed as often as it needs."""

    def __init__(self) -> None:
        self._watched: dict[tuple[str, str], _Watched] = {}

    def informer(self, ref: ResourceRef, *, name: str = "", node: str = "", metadata_only: bool = False) -> Informer:
        """See `Agent.informer`."""
        place = (ref.group, ref.resource)
        found = self._watched.get(place)
        if found is None:
            informer = Informer(ref, keep=metadata_of) if metadata_only else Informer(ref)
            found = self._watched[place] = _Watched(informer, name, node, metadata_only)
        elif found.metadata_only and not metadata_only:
            found.informer.keep_whole()
            self._watched[place] = replace(found, metadata_only=False)
        return found.informer

    def find(self, group: str, resource: str) -> Informer | None:
        found = self._watched.get((group, resource))
        return found.informer if found is not None else None

    @property
    def informers(self) -> Sequence[Informer]:
        return [watched.informer for watched in self._watched.values()]

    def keeps_whole(self, ref: ResourceRef) -> bool:
        """Its objects are in memory, and not their metadata alone."""
        found = self._watched.get((ref.group, ref.resource))
        return found is not None and not found.metadata_only

    def described(self) -> dict[str, list[object]]:
        """What is watched, how much of it is kept, and what it is found by."""
        return {
            f"{w.informer.ref.group}/{w.informer.ref.resource}": [w.name, w.node, w.metadata_only, *w.informer.indexes]
            for w in self._watched.values()
        }

    def selection(self) -> Selection:
        watched = list(self._watched.values())
        if len(watched) > MANY_FILTERS:
            return Selection.of([(ANY, ANY)])
        selected = tuple(SelectedResource(w.informer.ref.group, w.informer.ref.resource, w.name) for w in watched)
        return Selection(selected, node=next((w.node for w in watched if w.node), ""))

    async def snapshot(self, rest: RestClient) -> tuple[Iterator[Delta], int]:
        """LIST every resource. Returns what each informer then knows and no longer knows, as the caller takes it, and
        the lowest resourceVersion of the lists. Raises StatusError: then nothing was taken."""
        watched = list(self._watched.values())
        lists = await _lists(rest, watched)
        deltas = (
            delta
            for w, found in zip(watched, lists, strict=True)
            for delta in w.informer.replace(found.items, int(found.resource_version))
        )
        return deltas, min((int(found.resource_version) for found in lists), default=0)


async def _lists(rest: RestClient, watched: Sequence[_Watched]) -> Sequence[ObjectList]:
    gate = asyncio.Semaphore(_LISTS_AT_ONCE)

    async def one(w: _Watched) -> ObjectList:
        async with gate:
            return await rest.list(w.informer.ref, field_selector=w.field_selector, metadata_only=w.metadata_only)

    tasks = [asyncio.create_task(one(w), name=f"list-{w.informer.ref.resource}") for w in watched]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
