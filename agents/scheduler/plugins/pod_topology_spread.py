"""Replicas are spread over zones, nodes or any other topology.

Hard constraints rule out nodes whose domain would get ahead of the emptiest one by more than maxSkew; soft ones prefer
emptier domains. Pods that state none, but belong to a Service or a workload, have upstream's soft defaults: over nodes
and over zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.framework import MAX_SCORE, Check, Refusal, Trigger
from agents.scheduler.labels import LabelColumn
from agents.scheduler.plugins.node_affinity import required
from agents.scheduler.plugins.taint_toleration import untolerated
from agents.scheduler.podcounts import Among, Question
from agents.scheduler.podinfo import PodInfo, Spread
from agents.scheduler.rows import Floats, Ints, Mask
from agents.scheduler.snapshot import Snapshot
from apiserver.api.selectors import LabelSelector

TOO_SKEWED = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{TOO_SKEWED} (missing required label)"
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
_DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))


class PodTopologySpread:
    name = "PodTopologySpread"
    weight = 2
    static = False
    helped_by = Trigger.NODE | Trigger.NODE_REMOVED | Trigger.POD_REMOVED | Trigger.POD_PLACED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        stated = pod.template.spread
        constraints = stated or _by_default(pod, snapshot)
        if not constraints:
            return None
        domains = [_Domains(c, pod, snapshot) for c in constraints]
        return _Check(pod, snapshot, domains, labels_required=bool(stated))


def _by_default(pod: PodInfo, snapshot: Snapshot) -> Sequence[Spread]:
    selector = snapshot.workloads.selector(pod.template)
    if selector.is_empty:
        return ()
    return [Spread(topology_key=key, max_skew=skew, hard=False, selector=selector) for key, skew in _DEFAULTS]


class _Domains:
    """One constraint, and the nodes by the value of its topology key."""

    def __init__(self, constraint: Spread, pod: PodInfo, snapshot: Snapshot) -> None:
        self.constraint = constraint
        self.column: LabelColumn = snapshot.labels.column(constraint.topology_key)
        self.counts: Ints = snapshot.count(_question(pod.key.namespace, constraint.selector))

    @property
    def per_node(self) -> bool:
        return self.constraint.topology_key == HOSTNAME

    def eligible(self, pod: PodInfo, snapshot: Snapshot) -> Mask:
        """The nodes whose pods count, by the constraint's inclusion policies."""
        mask = snapshot.rows.valid.copy()
        if self.constraint.honor_affinity:
            matching = required(pod.template, snapshot)
            if matching is not None:
                mask &= matching
        if self.constraint.honor_taints:
            mask &= ~untolerated(pod.template, snapshot)
        return mask


def _question(namespace: str, selector: LabelSelector) -> Question:
    return Question((Among(frozenset((namespace,)), selector),), with_terminating=False)


@dataclass(frozen=True, slots=True)
class _Check(Check):
    pod: PodInfo
    snapshot: Snapshot
    domains: Sequence[_Domains]
    labels_required: bool

    def refuse(self) -> Sequence[Refusal]:
        hard = [d for d in self.domains if d.constraint.hard]
        if not hard:
            return ()
        labelled = self._with_all_labels(hard)
        refusals: list[Refusal] = []
        # NB: upstream judges constraint after constraint and stops at a node's first failure.
        unjudged = self.snapshot.rows.valid.copy()
        for domains in hard:
            without = unjudged & ~domains.column.has()
            skewed = unjudged & ~without & self._skewed(domains, labelled)
            refusals += [Refusal(without, NO_LABEL, final=True), Refusal(skewed, TOO_SKEWED, final=False)]
            unjudged &= ~(without | skewed)
        return refusals

    def _with_all_labels(self, domains: Sequence[_Domains]) -> Mask:
        mask = self.snapshot.rows.valid.copy()
        for one in domains:
            mask &= one.column.has()
        return mask

    def _skewed(self, domains: _Domains, labelled: Mask) -> Mask:
        """The nodes whose domain would have too many more pods than the emptiest domain."""
        constraint, column = domains.constraint, domains.column
        eligible = domains.eligible(self.pod, self.snapshot) & labelled
        counts = column.sum_by_value(domains.counts, eligible)
        seen = np.bincount(column.codes[eligible], minlength=column.domains) > 0
        enough = int(seen.sum()) >= constraint.min_domains
        least = int(counts[seen].min()) if enough and seen.any() else 0
        itself = 1 if constraint.selector.matches(self.pod.template.labels) else 0
        return column.by_row(counts) + itself - least > constraint.max_skew

    def score(self, feasible: Mask) -> Floats | None:
        soft = [d for d in self.domains if not d.constraint.hard]
        if not soft:
            return None
        rated = feasible & self._with_all_labels(soft) if self.labels_required else feasible
        counted = self._with_all_labels(soft) if self.labels_required else self.snapshot.rows.valid
        crowd = np.zeros(len(feasible))
        for domains in soft:
            crowd += self._crowd(domains, rated, counted)
        return _emptiest_best(crowd, rated)

    def _crowd(self, domains: _Domains, rated: Mask, counted: Mask) -> Floats:
        """How many are there already, weighted so that few large domains do not drown many small ones."""
        column = domains.column
        if not column.has().any():
            return np.zeros(len(rated))
        if domains.per_node:
            size, counts = int(rated.sum()), domains.counts
        else:
            eligible = counted & domains.eligible(self.pod, self.snapshot)
            counts = column.by_row(column.sum_by_value(domains.counts, eligible))
            size = int(np.count_nonzero(np.bincount(column.codes[rated] + 1)))
        crowd = counts * float(np.log(size + 2)) + (domains.constraint.max_skew - 1)
        return np.where(column.has(), crowd, 0.0)


def _emptiest_best(crowd: Floats, rated: Mask) -> Floats:
    among = crowd[rated]
    if not len(among):
        return np.zeros(len(crowd))
    most, least = float(among.max()), float(among.min())
    if most == 0:
        return np.where(rated, MAX_SCORE, 0.0)
    return np.where(rated, MAX_SCORE * (most + least - crowd) / most, 0.0)
