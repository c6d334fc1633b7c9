"""What a Subscription object says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.store.base import StoredResource
from broker.selection import SelectedResource, Selection, consumer_name

SUBSCRIPTIONS = StoredResource("broker.backbeat.dev", "subscriptions")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`start` is the resourceVersion behind which the cursor begins; `checkpoint` the last one that was noted.

    `snapshot_first`: the subscriber takes everything that exists before it follows. It says that it has done so by
    moving its cursor away from where that began; until then nothing else moves it, and what passes it is no loss.
    """

    name: str
    uid: str
    selection: Selection
    start: int
    checkpoint: int
    snapshot_first: bool
    deleted: bool

    @property
    def consumer(self) -> str:
        return consumer_name(self.name)

    @property
    def resume_after(self) -> int:
        """Where a consumer that was lost with its server goes on: what came after the checkpoint comes again."""
        return max(self.start, self.checkpoint)


def selection_of(spec: Mapping[str, Any]) -> Selection:
    selected = tuple(
        SelectedResource(one.get("group") or "", one.get("resource") or "", one.get("name") or "")
        for one in spec.get("resources") or ()
    )
    return Selection(selected, namespace=spec.get("namespace") or "", node=spec.get("node") or "")


def read(obj: Mapping[str, Any]) -> Wanted:
    meta, status = obj["metadata"], obj.get("status") or {}
    return Wanted(
        name=meta["name"],
        uid=meta.get("uid", ""),
        selection=selection_of(obj["spec"]),
        start=int(status.get("startResourceVersion") or 0),
        checkpoint=int(status.get("acknowledged") or 0),
        snapshot_first=(obj["spec"].get("start") or {}).get("from") == "Everything",
        deleted=bool(meta.get("deletionTimestamp")),
    )
