"""What outlives an agent's process: the objects of its informers, on disk (`kept`), for its next life to take up.

    open → state → (the broker confirms it: `rejoin`) → begin → rest
    hear, for every change; replace, for every snapshot by LIST

From `begin` on informers answer from the file what they do not have in memory; `rest` brings them everything, page by
page, and then the file is only written. Without a file nothing is kept, and there is never a state. What a Secret holds
is never in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from agents.client.informer import Delta, Informer, place_of
from agents.client.kept import Entry, Kept, KeptObject, KeptResource, KeptState, entry_of, layout_of, mark_of
from agents.client.resources import SECRETS, ResourceRef
from agents.client.watching import Watching
from broker.change import Change
from broker.selection import consumer_name

Obj = dict[str, Any]
_AGENTS = Path(__file__).parent.parent


def state_file(directory: Path | None, name: str) -> Path | None:
    """Of the agent whose Subscription is `name`."""
    return directory / f"{consumer_name(name)}.sqlite" if directory is not None else None


class Memory:
    """`path`: of the file; None keeps nothing."""

    def __init__(self, path: Path | None, watching: Watching) -> None:
        self._path = path
        self._watching = watching
        self._indexes: dict[str, Callable[[Obj], Iterable[str]]] = {}
        self._kept: Kept | None = None
        self._begun = False
        self._recalling: dict[str, Informer] = {}
        self._written = 0

    def index(self, name: str, function: Callable[[Obj], Iterable[str]]) -> None:
        """What objects of all resources can be found by in the file. Before `open`."""
        self._indexes[name] = function

    def open(self) -> None:
        """Once everything that is watched was declared. Raises ValueError when Secrets would be written readable."""
        if self._path is None or self._kept is not None:
            return
        if self._watching.keeps_whole(SECRETS):
            raise ValueError("of Secrets no more than their metadata is kept on disk")
        watched: dict[str, object] = {**self._watching.described(), "": sorted(self._indexes)}
        kept = Kept(self._path, layout=layout_of(watched, build=_AGENTS))
        kept.open()
        if kept.usable:
            self._kept = kept
        else:
            kept.close()

    async def run(self) -> None:
        """Write what was heard, until cancelled."""
        if self._kept is not None:
            try:
                await self._kept.run()
            finally:
                self._kept.close()

    def state(self) -> KeptState | None:
        """Of an earlier life, until this one has begun."""
        return self._kept.state() if self._kept is not None and not self._begun else None

    def begin(self, state: KeptState) -> None:
        """The informers are as they were then."""
        if self._kept is None:
            raise ValueError("nothing was kept")
        self._begun, self._written = True, state.rv
        self._recalling = {_name(informer): informer for informer in self._watching.informers}
        for name, informer in self._recalling.items():
            informer.recall_from(KeptResource(self._kept, name), state.rv)

    def find(self, index: str, value: str) -> Iterator[tuple[ResourceRef, Obj]]:
        """What was kept and may not have been told as a delta yet. See `index`."""
        if self._kept is not None and self._recalling:
            for name, obj in self._kept.find(Entry(index, value)):
                yield self._watching_ref(name), obj

    def _watching_ref(self, name: str) -> ResourceRef:
        group, _, resource = name.rpartition("/")
        informer = self._watching.find(group, resource)
        if informer is None:
            raise ValueError(f"{name} is kept and not watched")
        return informer.ref

    @property
    def recalling(self) -> bool:
        """Not everything that was kept has been told as a delta."""
        return bool(self._recalling)

    async def rest(self) -> AsyncIterator[Sequence[Delta]]:
        """Everything that was kept, or that took its place since; the reading is left to a thread."""
        if self._kept is None:
            return
        for name, informer in self._recalling.items():
            pages = self._kept.pages(name)
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                yield informer.recall(page)
            informer.recalled()
        self._recalling = {}

    def hear(self, change: Change, informer: Informer | None, obj: Obj | None) -> None:
        """A change, once it was applied; `obj`: what it is about, where that is of an informer."""
        if self._kept is None or change.rv <= self._written:
            return
        self._begun, self._written = True, change.rv
        state = KeptState(change.rv, mark_of(change.subject, change.body))
        if informer is None or obj is None:
            self._kept.hear(state)
        else:
            self._kept.note(self._object(informer, obj, gone=change.type == "DELETED", raw=change.object_bytes), state)

    def _object(self, informer: Informer, obj: Obj, *, gone: bool = False, raw: bytes = b"") -> KeptObject:
        name, place, kept = _name(informer), place_of(obj), informer.kept(obj)
        if gone:
            return KeptObject(name, place, None)
        own = [entry_of(name, index, value) for index, value in informer.entries(kept)]
        shared = [Entry(index, value) for index, function in self._indexes.items() for value in function(kept)]
        return KeptObject(name, place, raw if raw and kept is obj else orjson.dumps(kept), [*own, *shared])

    def replace(self, rv: int) -> None:
        """Everything was taken from a snapshot at `rv`: what the informers know now is what there is."""
        self._begun, self._recalling = True, {}
        if self._kept is not None:
            self._written = rv
            known = [(informer, list(informer.list())) for informer in self._watching.informers]
            self._kept.replace((self._object(informer, obj) for informer, found in known for obj in found), rv)


def _name(informer: Informer) -> str:
    return f"{informer.ref.group}/{informer.ref.resource}"
