"""The nodes of this kubelet: a reporter for each, and the API's word on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agents.client.informer import Informer
from agents.client.outcome import Done, Outcome
from agents.client.resources import NODES, ResourceRef
from agents.client.runtime import Delta, Key
from agents.kubelet.admission import NodeView
from agents.kubelet.node_reporter import NodeReporter


class Nodes:
    """Implements `Controller`: what others write to a node is noted, and corrected where it is not true."""

    name = "nodes"

    def __init__(self, informer: Informer, reporters: Iterable[NodeReporter]) -> None:
        self._informer = informer
        self._reporters = {r.name: r for r in reporters}

    def __iter__(self) -> Iterator[NodeReporter]:
        return iter(self._reporters.values())

    def view(self, name: str) -> NodeView | None:
        """None: not a node of this kubelet."""
        reporter = self._reporters.get(name)
        return reporter.view() if reporter is not None else None

    @property
    def unregistered(self) -> list[str]:
        return [r.name for r in self if not r.registered]

    @property
    def watches(self) -> Mapping[ResourceRef, Any]:
        return {NODES: self._keys}

    def _keys(self, delta: Delta) -> Iterable[Key]:
        name = delta.object["metadata"]["name"]
        if name in self._reporters:
            yield Key("", name)

    async def reconcile(self, key: Key) -> Outcome:
        node, reporter = self._informer.get("", key.name), self._reporters.get(key.name)
        if node is not None and reporter is not None:
            reporter.note(node)
        return Done()

    async def run(self) -> None:
        """Report until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reporter in self:
                group.create_task(reporter.run(), name=f"node-{reporter.name}")
