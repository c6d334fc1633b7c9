"""Cordoned nodes take only pods that tolerate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.scheduler.framework import Check, Refusal, Trigger
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.snapshot import Snapshot
from apiserver.api.scheduling import tolerates

REASON = "node(s) were unschedulable"
_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable:
    name = "NodeUnschedulable"
    weight = 0
    static = True
    helped_by = Trigger.NODE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        cordoned = snapshot.unschedulable.values != 0
        if not cordoned.any() or tolerates(_TAINT, pod.template.tolerations):
            return None
        return _Check([Refusal(cordoned, REASON, final=True)])


@dataclass(frozen=True, slots=True)
class _Check(Check):
    refusals: Sequence[Refusal]

    def refuse(self) -> Sequence[Refusal]:
        return self.refusals
