"""One host port, one pod."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.scheduler.framework import Check, Refusal, Trigger
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.snapshot import Snapshot

REASON = "node(s) didn't have free ports for the requested pod ports"


class NodePorts:
    name = "NodePorts"
    weight = 0
    static = False
    helped_by = Trigger.NODE_ADDED | Trigger.POD_REMOVED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        return _Check(pod, snapshot) if pod.template.ports else None


@dataclass(frozen=True, slots=True)
class _Check(Check):
    pod: PodInfo
    snapshot: Snapshot

    def refuse(self) -> Sequence[Refusal]:
        return [Refusal(self.snapshot.ports.conflicts(self.pod.template.ports), REASON, final=False)]
