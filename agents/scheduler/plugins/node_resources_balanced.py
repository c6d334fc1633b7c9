"""Cpu and memory of a node should be used up alike. Rated by how much more, or less, alike they become with the pod."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.framework import MAX_SCORE, NOTHING, Check
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.resources import SCORED
from agents.scheduler.rows import Floats, Ints, Mask
from agents.scheduler.snapshot import Snapshot


class NodeResourcesBalancedAllocation:
    name = "NodeResourcesBalancedAllocation"
    weight = 1
    static = False
    helped_by = NOTHING

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        """A pod that asks for neither cannot unbalance a node."""
        return _Check(pod, snapshot) if any(pod.requests.get(name) for name in SCORED) else None


@dataclass(frozen=True, slots=True)
class _Check(Check):
    pod: PodInfo
    snapshot: Snapshot

    def score(self, feasible: Mask) -> Floats | None:
        resources = self.snapshot.resources
        has = [resources.allocatable(name) for name in SCORED]
        used = [resources.requested.of(name) for name in SCORED]
        more = [u + self.pod.requests.get(name, 0) for u, name in zip(used, SCORED, strict=True)]
        gain = _unevenness(used, has) - _unevenness(more, has)
        return MAX_SCORE / 2 + (MAX_SCORE / 2 + gain * MAX_SCORE) / 2


def _unevenness(used: Sequence[Ints], has: Sequence[Ints]) -> Floats:
    """The standard deviation of the used shares of two resources: half their difference. 0 where one is missing."""
    first, second = (np.minimum(u / np.maximum(h, 1), 1.0) for u, h in zip(used, has, strict=True))
    apart: Floats = np.abs(first - second) / 2
    apart[(has[0] <= 0) | (has[1] <= 0)] = 0.0
    return apart
