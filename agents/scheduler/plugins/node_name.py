"""A pod that names its node gets no other. The API server counts such pods as bound, so they seldom come here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.scheduler.framework import Check, Refusal, Trigger
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.snapshot import Snapshot

REASON = "node(s) didn't match the requested node name"


class NodeName:
    name = "NodeName"
    weight = 0
    static = False
    helped_by = Trigger.NODE_ADDED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        if not pod.node_name:
            return None
        others = snapshot.rows.valid.copy()
        row = snapshot.rows.row_of(pod.node_name)
        if row is not None:
            others[row] = False
        return _Check([Refusal(others, REASON, final=True)])


@dataclass(frozen=True, slots=True)
class _Check(Check):
    refusals: Sequence[Refusal]

    def refuse(self) -> Sequence[Refusal]:
        return self.refusals
