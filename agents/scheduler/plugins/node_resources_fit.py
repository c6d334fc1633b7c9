"""Whatever the pod asks for must be left on the node, and a place among its pods. The more is left, the better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.amounts import PODS
from agents.scheduler.framework import MAX_SCORE, Check, Refusal, Trigger
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.resources import SCORED
from agents.scheduler.rows import Floats, Mask
from agents.scheduler.snapshot import Snapshot

TOO_MANY_PODS = "Too many pods"


class NodeResourcesFit:
    name = "NodeResourcesFit"
    weight = 1
    static = False
    helped_by = Trigger.NODE | Trigger.POD_REMOVED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        return _Check(pod, snapshot)


@dataclass(frozen=True, slots=True)
class _Check(Check):
    pod: PodInfo
    snapshot: Snapshot

    def refuse(self) -> Sequence[Refusal]:
        found = [self._short(PODS, 1, TOO_MANY_PODS)]
        for name, value in self.pod.requests.items():
            if value > 0:
                found.append(self._short(name, value, f"Insufficient {name}"))
        return [refusal for refusal in found if refusal is not None]

    def _short(self, name: str, value: int, reason: str) -> Refusal | None:
        resources = self.snapshot.resources
        has = resources.allocatable(name)
        short = value > has - resources.requested.of(name)
        if not short.any():
            return None
        return Refusal(short, reason, final=False if name == PODS else value > has)

    def score(self, feasible: Mask) -> Floats | None:
        """The mean of what would be left of cpu and memory, in percent; a node that has none of one is not asked."""
        resources = self.snapshot.resources
        total = np.zeros(len(feasible))
        counted = np.zeros(len(feasible))
        for name, value in zip(SCORED, self.pod.template.scored, strict=True):
            has = resources.allocatable(name)
            left = np.maximum(has - resources.scored.of(name) - value, 0)
            total += left / np.maximum(has, 1)
            counted += has > 0
        return total * MAX_SCORE / np.maximum(counted, 1)
