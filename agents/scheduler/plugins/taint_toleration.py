"""Taints that the pod does not tolerate rule a node out (NoSchedule, NoExecute) or make it less liked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.framework import Check, Refusal, Trigger, scaled
from agents.scheduler.nodeinfo import Taint
from agents.scheduler.podinfo import PodInfo, Template
from agents.scheduler.rows import Floats, Mask
from agents.scheduler.snapshot import Snapshot
from apiserver.api.scheduling import tolerates

REASON = "node(s) had untolerated taint(s)"
_HARD = ("NoSchedule", "NoExecute")
_SOFT = "PreferNoSchedule"


class TaintToleration:
    name = "TaintToleration"
    weight = 3
    static = True
    helped_by = Trigger.NODE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        refused = untolerated(pod.template, snapshot)
        counts = _disliked(pod.template, snapshot)
        return _Check(refused, counts) if refused.any() or counts.any() else None


@dataclass(frozen=True, slots=True)
class _Check(Check):
    refused: Mask
    disliked: Floats

    def refuse(self) -> Sequence[Refusal]:
        return [Refusal(self.refused, REASON, final=True)]

    def score(self, feasible: Mask) -> Floats | None:
        return scaled(self.disliked, feasible, reverse=True)


def untolerated(template: Template, snapshot: Snapshot) -> Mask:
    """The nodes with a taint that keeps the pod away."""

    def repels(taints: Sequence[Taint]) -> bool:
        return any(t[2] in _HARD and not tolerates(_taint(t), template.tolerations) for t in taints)

    key = ("untolerated", template.node_key)
    return snapshot.remembered(key, lambda: snapshot.taints.where(repels, missing=False))


def _disliked(template: Template, snapshot: Snapshot) -> Floats:
    """How many taints of each node the pod would rather not meet."""
    tolerations = [t for t in template.tolerations if (t.get("effect") or _SOFT) == _SOFT]

    def disliked(taints: Sequence[Taint]) -> int:
        return sum(t[2] == _SOFT and not tolerates(_taint(t), tolerations) for t in taints)

    return snapshot.taints.numbers(disliked).astype(np.float64)


def _taint(taint: Taint) -> dict[str, str]:
    key, value, effect = taint
    return {"key": key, "value": value, "effect": effect}
