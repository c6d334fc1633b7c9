"""nodeSelector and node affinity: what a node must have, and what it had better have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.framework import Check, Refusal, Trigger, scaled
from agents.scheduler.podinfo import PodInfo, Template
from agents.scheduler.rows import Floats, Mask
from agents.scheduler.snapshot import Snapshot

REASON = "node(s) didn't match Pod's node affinity/selector"


class NodeAffinity:
    name = "NodeAffinity"
    weight = 2
    static = True
    helped_by = Trigger.NODE

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        template = pod.template
        matching = required(template, snapshot)
        if matching is None and not template.preferred_terms:
            return None
        refused = snapshot.rows.mask() if matching is None else ~matching
        return _Check(refused, _preferred(template, snapshot) if template.preferred_terms else None)


@dataclass(frozen=True, slots=True)
class _Check(Check):
    refused: Mask
    liked: Floats | None

    def refuse(self) -> Sequence[Refusal]:
        return [Refusal(self.refused, REASON, final=True)]

    def score(self, feasible: Mask) -> Floats | None:
        return None if self.liked is None else scaled(self.liked, feasible)


def required(template: Template, snapshot: Snapshot) -> Mask | None:
    """The nodes that have what the pod must have; None when it asks for nothing."""
    if not template.node_selector and template.required_terms is None:
        return None
    return snapshot.remembered(("required", template.node_key), lambda: _required(template, snapshot))


def _required(template: Template, snapshot: Snapshot) -> Mask:
    mask = snapshot.labels.match_labels(template.node_selector)
    if template.required_terms is not None:
        mask &= snapshot.labels.match_terms(template.required_terms)
    return mask


def _preferred(template: Template, snapshot: Snapshot) -> Floats:
    total = np.zeros(snapshot.rows.length)
    for term in template.preferred_terms:
        total += snapshot.labels.match_term(term.get("preference") or {}) * float(term.get("weight") or 0)
    return total
