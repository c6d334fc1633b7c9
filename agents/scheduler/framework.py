"""What a plugin is: it looks at one pod and the snapshot, and answers for all nodes at once.

`prepare` is called once for each pod that is to be placed and returns what the plugin has to say about it, or None when
it has nothing to say. A `Check` then rules nodes out (`refuse`) and rates those that are left (`score`).

A plugin MUST NOT change the snapshot, wait, or look at a clock. Masks and scores are as long as the snapshot's rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import Protocol

import numpy as np

from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Floats, Mask
from agents.scheduler.snapshot import Snapshot

MAX_SCORE = 100.0


class Trigger(Flag):
    """What happened to the cluster that may let a pod be placed that was refused before."""

    NODE_ADDED = auto()
    NODE_CHANGED = auto()
    NODE_REMOVED = auto()
    POD_REMOVED = auto()
    """A pod left its node, or needs less of it."""
    POD_PLACED = auto()
    """A pod came to a node, or its labels changed."""
    NAMESPACE_CHANGED = auto()
    NODE = NODE_ADDED | NODE_CHANGED


NOTHING = Trigger(0)
ANYTHING = ~NOTHING


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nodes that are ruled out for one reason, in upstream's words."""

    mask: Mask
    reason: str
    final: Mask | bool
    """For which of them removing other pods would not help."""


class Check:
    """What one plugin says about one pod. Says nothing unless a method is replaced."""

    def refuse(self) -> Sequence[Refusal]:
        """A node may be refused for several reasons at once."""
        return ()

    def score(self, feasible: Mask) -> Floats | None:
        """0 to MAX_SCORE for each feasible node; what is said about others is not looked at."""
        return None


class Plugin(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int:
        """Of its score among the others."""
        ...

    @property
    def static(self) -> bool:
        """What it says depends on the pod's `template.node_key` and on labels, taints and schedulability of nodes only,
        so it may be kept until one of these changes."""
        ...

    @property
    def helped_by(self) -> Trigger:
        """After what a pod that this plugin refused may be tried again."""
        ...

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None: ...


def scaled(raw: Floats, feasible: Mask, *, reverse: bool = False) -> Floats:
    """Scale so that the greatest of the feasible becomes MAX_SCORE; `reverse` when less is better."""
    top = float(raw[feasible].max(initial=0.0))
    if top <= 0:
        return np.full(len(raw), MAX_SCORE if reverse else 0.0)
    shares = raw * (MAX_SCORE / top)
    return MAX_SCORE - shares if reverse else shares
