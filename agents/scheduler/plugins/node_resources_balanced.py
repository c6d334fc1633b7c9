"""Cpu and memory of a node should be used up alike. Rated by how much more, or less, alike they become with the pod."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.scheduler.framework import MAX_SCORE, NOTHING, Check
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.resources import SCORED
from agents.scheduler.rows import Floats, Mask
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
        gain = self._unevenness(with_pod=False) - self._unevenness(with_pod=True)
        return MAX_SCORE / 2 + (MAX_SCORE / 2 + gain * MAX_SCORE) / 2

    def _unevenness(self, *, with_pod: bool) -> Floats:
        """The standard deviation of the used shares of two resources: half their difference."""
        resources = self.snapshot.resources
        shares = []
        for name in SCORED:
            has = resources.allocatable(name)
            used = resources.requested.of(name) + (self.pod.requests.get(name, 0) if with_pod else 0)
            shares.append(np.where(has > 0, np.clip(used / np.maximum(has, 1), 0.0, 1.0), np.nan))
        apart: Floats = np.abs(shares[0] - shares[1]) / 2
        return np.nan_to_num(apart)
