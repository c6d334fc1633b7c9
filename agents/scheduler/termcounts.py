"""What the pods that are placed ask of those that come: each distinct affinity term, and on which nodes its owners are.

Pods of one workload share their terms, so there are few of them however many pods there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agents.scheduler.affinity import Namespaces, Term, TermKind
from agents.scheduler.matching import PairIndex
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Column, Ints, Rows


@dataclass(slots=True)
class _Held:
    column: Column
    total: int = 0


class TermCounts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._held: dict[Term, _Held] = {}
        self._index: dict[TermKind, PairIndex[Term]] = {kind: PairIndex() for kind in TermKind}

    def __len__(self) -> int:
        """How many distinct terms there are."""
        return len(self._held)

    def change(self, pod: PodInfo, row: int, by: int) -> None:
        for term in pod.template.terms:
            held = self._held.get(term)
            if held is None:
                held = self._held[term] = _Held(self._rows.column())
                self._index[term.kind].add(term.selector, term)
            held.column.values[row] += by
            held.total += by
            if held.total == 0:
                del self._held[term]
                self._index[term.kind].remove(term.selector, term)

    def speaking_of(
        self, kind: TermKind, namespace: str, labels: Mapping[str, str], namespaces: Namespaces
    ) -> Iterator[tuple[Term, Ints]]:
        """The terms that mean a pod with these labels, and how many of their owners are on each row."""
        for term in self._index[kind].candidates(labels):
            if term.speaks_of(namespace, labels, namespaces):
                yield term, self._held[term].column.values
