"""When no node will do: whose removal would make room for a more important pod?

Pure: `(snapshot, pod, why it was refused, budgets) -> Preemption`. The snapshot is changed while nodes are tried and is
afterwards as it was. On each node that might help, all less important pods are taken off; if the pod fits then, as many
of them as possible come back: first those whose removal would violate a disruption budget, and the more important ones
first. Of the candidates one is picked in upstream's order: fewest violations, least important victims, fewest victims,
youngest victims.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agents.scheduler.budgets import Budget, by_violation
from agents.scheduler.decide import Nominated, judge, reasons_at
from agents.scheduler.decision import Refused, unavailable
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.snapshot import Snapshot

NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_VICTIMS = "No preemption victims found for incoming pod"
NEVER = "not eligible due to preemptionPolicy=Never."
STILL_GOING = "not eligible due to a terminating pod on the nominated node."

MIN_CANDIDATES = 100
MIN_CANDIDATES_PERCENT = 10
"""A search ends when it has as many candidates as the greater of both."""
MAX_TRIES = 2000
"""…or when it has asked this often whether the pod fits: a search must not hold up everybody else."""
_MOST_IMPORTANT = 2**31


@dataclass(frozen=True, slots=True)
class Preempt:
    """The pod is promised this node; these are to go."""

    node: str
    victims: Sequence[PodInfo]


@dataclass(frozen=True, slots=True)
class NoPreemption:
    """Nobody is to go. `withdraw`: an earlier promise helps no more."""

    message: str
    withdraw: bool


Preemption = Preempt | NoPreemption


@dataclass(frozen=True, slots=True)
class _Candidate:
    node: str
    victims: Sequence[PodInfo]
    """The most important first; at least one."""
    violations: int

    @property
    def rank(self) -> tuple[int, int, int, int, str]:
        """The least is the best, but for the last, which is compared the other way round."""
        important = self.victims[0].priority
        together = sum(v.priority + _MOST_IMPORTANT for v in self.victims)
        oldest = min(v.started for v in self.victims if v.priority == important)
        return self.violations, important, together, len(self.victims), oldest


def preempt(
    snapshot: Snapshot, pod: PodInfo, refused: Refused, budgets: Sequence[Budget], *, nominated: Nominated = ()
) -> Preemption:
    if not pod.may_preempt:
        return NoPreemption(NEVER, withdraw=False)
    if _victims_still_going(snapshot, pod, refused):
        return NoPreemption(STILL_GOING, withdraw=False)
    nodes = refused.resolvable
    if not snapshot.any_below(pod.priority):
        return _none({NO_VICTIMS: len(nodes)}, len(nodes), refused)
    search = _Search(snapshot, pod, budgets, nominated)
    candidates = list(search.candidates(_in_turn(nodes, pod), _enough(len(nodes))))
    if candidates:
        best = _best(candidates)
        return Preempt(best.node, best.victims)
    return _none(search.reasons, search.refused, refused)


def _none(reasons: Mapping[str, int], nodes: int, refused: Refused) -> NoPreemption:
    """`reasons` are those of so many nodes that were tried; the others were not worth trying."""
    told = Counter(reasons) + Counter({NOT_HELPFUL: refused.nodes - nodes})
    return NoPreemption(unavailable(refused.nodes, told), withdraw=True)


def _victims_still_going(snapshot: Snapshot, pod: PodInfo, refused: Refused) -> bool:
    """Room is being made on the node that the pod was promised."""
    if pod.nominated not in refused.resolvable:
        return False
    return any(p.preempted and p.priority < pod.priority for p in snapshot.pods_on(pod.nominated))


def _in_turn(nodes: Sequence[str], pod: PodInfo) -> Iterator[str]:
    """Begin somewhere else for each pod, so that not always the same nodes are robbed."""
    start = zlib.crc32(pod.uid.encode()) % max(len(nodes), 1)
    yield from nodes[start:]
    yield from nodes[:start]


def _enough(nodes: int) -> int:
    return max(MIN_CANDIDATES, nodes * MIN_CANDIDATES_PERCENT // 100)


def _best(candidates: Sequence[_Candidate]) -> _Candidate:
    best = min(c.rank[:-1] for c in candidates)
    return max((c for c in candidates if c.rank[:-1] == best), key=lambda c: c.rank[-1])


def _importance(pod: PodInfo) -> tuple[int, str]:
    """Sorts the more important first: by priority, then who runs longer. A pod that has not started is young."""
    return -pod.priority, pod.started or "9999"


class _Search:
    def __init__(self, snapshot: Snapshot, pod: PodInfo, budgets: Sequence[Budget], nominated: Nominated) -> None:
        self._snapshot = snapshot
        self._pod = pod
        self._budgets = budgets
        self._nominated = nominated
        self._tries = 0
        self.reasons: Counter[str] = Counter()
        """Why nodes are no candidates."""
        self.refused = 0
        """How many nodes are no candidates."""

    def candidates(self, nodes: Iterable[str], enough: int) -> Iterator[_Candidate]:
        found = 0
        for node in nodes:
            candidate = self._on(node)
            if candidate is not None:
                found += 1
                yield candidate
            if found >= enough or (found and self._tries > MAX_TRIES):
                return

    def _on(self, node: str) -> _Candidate | None:
        lesser = [p for p in self._snapshot.pods_on(node) if p.priority < self._pod.priority]
        if not lesser:
            self._refuse([NO_VICTIMS])
            return None
        for one in lesser:
            self._snapshot.remove_pod(one.key)
        try:
            return self._reprieve(node, sorted(lesser, key=_importance))
        finally:
            for one in lesser:
                self._snapshot.add_pod(one, node)

    def _reprieve(self, node: str, lesser: Sequence[PodInfo]) -> _Candidate | None:
        """Without all of them the pod must fit; then as many of them come back as leave room for it."""
        if (reasons := self._why_not(node)) is not None:
            self._refuse(reasons)
            return None
        violating, harmless = by_violation(lesser, self._budgets)
        violations = self._bring_back(violating, node)
        victims = [*violations, *self._bring_back(harmless, node)]
        if not victims:
            return None
        return _Candidate(node, sorted(victims, key=_importance), len(violations))

    def _bring_back(self, pods: Sequence[PodInfo], node: str) -> Sequence[PodInfo]:
        """Returns those that can't stay."""
        victims = []
        for one in pods:
            self._snapshot.add_pod(one, node)
            if self._why_not(node) is not None:
                self._snapshot.remove_pod(one.key)
                victims.append(one)
        return victims

    def _why_not(self, node: str) -> Sequence[str] | None:
        self._tries += 1
        outcome = judge(self._snapshot, self._pod, nominated=self._nominated)
        return reasons_at(self._snapshot, outcome, node)

    def _refuse(self, reasons: Iterable[str]) -> None:
        self.refused += 1
        self.reasons.update(reasons)
