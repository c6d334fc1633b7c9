"""Pods that want to be near others, or far from them, and those that do not want to be near this one.

Affinity is judged by topology: a term holds for a node when one of the pods it means is on a node with the same value
of its topology key. Anti-affinity is symmetric: what placed pods will not have near them is refused, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from agents.scheduler.affinity import Term, TermKind
from agents.scheduler.framework import MAX_SCORE, Check, Refusal, Trigger
from agents.scheduler.podcounts import Among, Question
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Floats, Ints, Mask
from agents.scheduler.snapshot import Snapshot

NOT_NEAR = "node(s) didn't match pod affinity rules"
NOT_FAR = "node(s) didn't match pod anti-affinity rules"
UNWANTED = "node(s) didn't satisfy existing pods anti-affinity rules"
_REQUIRED_BY_PLACED = 1
"""The weight with which a placed pod's required affinity draws others to it."""


class InterPodAffinity:
    name = "InterPodAffinity"
    weight = 2
    static = False
    helped_by = Trigger.NODE | Trigger.POD_REMOVED | Trigger.POD_PLACED | Trigger.NAMESPACE_CHANGED

    def prepare(self, pod: PodInfo, snapshot: Snapshot) -> Check | None:
        if not pod.template.terms and not snapshot.terms:
            return None
        return _Check(pod, snapshot)


@dataclass(frozen=True, slots=True)
class _Check(Check):
    pod: PodInfo
    snapshot: Snapshot

    def refuse(self) -> Sequence[Refusal]:
        refusals: list[Refusal] = []
        # NB: upstream stops at a node's first failure, in this order.
        unjudged = self.snapshot.rows.valid.copy()
        for refused, reason, final in (
            (self._not_near(), NOT_NEAR, True),
            (self._not_far(), NOT_FAR, False),
            (self._unwanted(), UNWANTED, False),
        ):
            if refused is not None:
                refusals.append(Refusal(refused & unjudged, reason, final=final))
                unjudged &= ~refused
        return refusals

    def _own(self, kind: TermKind) -> list[Term]:
        return [t for t in self.pod.template.terms if t.kind is kind]

    def _not_near(self) -> Mask | None:
        """Nodes for which one of the pod's terms does not hold."""
        terms = self._own(TermKind.REQUIRED)
        if not terms:
            return None
        columns = [self.snapshot.labels.column(t.topology_key) for t in terms]
        labelled = self.snapshot.rows.valid.copy()
        near = self.snapshot.rows.valid.copy()
        counts = self._count(terms)
        anywhere = False
        for column in columns:
            by_value = column.sum_by_value(counts, self.snapshot.rows.valid)
            anywhere |= bool(by_value.any())
            labelled &= column.has()
            near &= column.by_row(by_value) > 0
        if not anywhere and self._means_itself(terms):
            # The first of a group that wants to be together: there is nobody yet to be near to.
            return ~labelled
        return ~(near & labelled)

    def _means_itself(self, terms: Iterable[Term]) -> bool:
        template, namespaces = self.pod.template, self.snapshot.namespaces
        return all(t.speaks_of(template.namespace, template.labels, namespaces) for t in terms)

    def _not_far(self) -> Mask | None:
        """Nodes near a pod that this one keeps away from."""
        terms = self._own(TermKind.REQUIRED_ANTI)
        return self._near_any((t.topology_key, self._count([t])) for t in terms) if terms else None

    def _unwanted(self) -> Mask | None:
        """Nodes near a pod that keeps away from this one."""
        terms = list(self._of_placed(TermKind.REQUIRED_ANTI))
        return self._near_any((t.topology_key, owners) for t, owners in terms) if terms else None

    def _near_any(self, counted: Iterable[tuple[str, Ints]]) -> Mask:
        near = self.snapshot.rows.mask()
        for key, counts in counted:
            near |= self._by_domain(key, counts) > 0
        return near

    def _by_domain(self, topology_key: str, counts: Ints) -> Ints:
        """For each node how many there are in its domain; 0 where it has none."""
        column = self.snapshot.labels.column(topology_key)
        return column.by_row(column.sum_by_value(counts, self.snapshot.rows.valid))

    def _count(self, terms: Sequence[Term]) -> Ints:
        """Pods that all of these terms mean, on each node."""
        namespaces = self.snapshot.namespaces
        return self.snapshot.count(Question(tuple(Among(t.resolve(namespaces), t.selector) for t in terms)))

    def _of_placed(self, kind: TermKind) -> Iterable[tuple[Term, Ints]]:
        template = self.pod.template
        return self.snapshot.terms.speaking_of(kind, template.namespace, template.labels, self.snapshot.namespaces)

    def score(self, feasible: Mask) -> Floats | None:
        total = np.zeros(len(feasible))
        rated = False
        for key, counts, weight in self._wishes():
            rated = True
            total += self._by_domain(key, counts) * float(weight)
        if not rated:
            return None
        least, most = float(total[feasible].min()), float(total[feasible].max())
        if most == least:
            return np.zeros(len(feasible))
        return (total - least) * (MAX_SCORE / (most - least))

    def _wishes(self) -> Iterable[tuple[str, Ints, int]]:
        """Topology key, how many draw there (or push away) on each node, and how much."""
        for kind, sign in ((TermKind.PREFERRED, 1), (TermKind.PREFERRED_ANTI, -1)):
            for term in self._own(kind):
                yield term.topology_key, self._count([term]), sign * term.weight
            for term, owners in self._of_placed(kind):
                yield term.topology_key, owners, sign * term.weight
        for term, owners in self._of_placed(TermKind.REQUIRED):
            yield term.topology_key, owners, _REQUIRED_BY_PLACED
