"""What there is of a selection at one resourceVersion: where a subscription to everything begins.

All lists are of the same number, so together with the changes behind that number they tell everything once.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from agents.client.transport import Transport
from broker.selection import PODS, SelectedResource
from broker.subjects import Place
from deploy.commands.changes import Told
from deploy.commands.discovery import Catalogue, Known
from deploy.commands.subscription import Subscription
from deploy.errors import UserError

PAGE = 500

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    transport: Transport
    subscription: Subscription
    resources: tuple[tuple[SelectedResource, Known], ...]
    rv: int

    @classmethod
    async def take(cls, transport: Transport, subscription: Subscription) -> Snapshot:
        """Of now. Raises StatusError, UserError."""
        catalogue = await Catalogue.ask(transport)
        found = [
            (one, known)
            for one in subscription.selection.resources
            for known in catalogue.within(one.group, one.resource)
        ]
        if not found:
            raise UserError("the server has none of the selected resources")
        page = await transport.read(found[0][1].path(subscription.selection.namespace), query={"limit": "1"})
        return cls(transport, subscription, tuple(found), int(page["metadata"]["resourceVersion"]))

    async def objects(self) -> AsyncGenerator[Told, None]:
        """Each object once, as ADDED. Raises StatusError."""
        seen: set[tuple[str, str, str, str]] = set()
        for selected, known in self.resources:
            async for item in self._items(selected, known):
                meta = item["metadata"]
                place = Place(known.group, known.plural, meta.get("namespace", ""), meta["name"])
                key = (place.group, place.resource, place.namespace, place.name)
                if key not in seen:
                    seen.add(key)
                    obj = {"apiVersion": known.api_version, "kind": known.kind, **item}
                    yield Told(rv=int(meta["resourceVersion"]), place=place, frame={"type": "ADDED", "object": obj})

    async def _items(self, selected: SelectedResource, known: Known) -> AsyncGenerator[Obj, None]:
        path = known.path(self.subscription.selection.namespace)
        query = self._selectors(selected) | {"limit": str(PAGE)}
        stretch = {"resourceVersion": str(self.rv), "resourceVersionMatch": "Exact"}
        while True:
            page = await self.transport.read(path, query=query | stretch)
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue")
            if not token:
                return
            stretch = {"continue": token}

    def _selectors(self, selected: SelectedResource) -> dict[str, str]:
        node = self.subscription.selection.node
        fields = [f"metadata.name={selected.name}"] if selected.name else []
        if node and (selected.group, selected.resource) == PODS:
            fields.append(f"spec.nodeName={node}")
        labels = self.subscription.labels
        given = {"labelSelector": "" if labels.is_empty else str(labels), "fieldSelector": ",".join(fields)}
        return {key: text for key, text in given.items() if text}
