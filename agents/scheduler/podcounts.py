"""How many pods of a kind are on each node: one column for each question that was asked, kept up with every pod.

A question is a conjunction of (namespaces, selector). The first asker pays for counting the pods that are there; the
least recently asked questions are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from agents.scheduler.matching import PairIndex
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Column, Ints, Rows
from apiserver.api.selectors import LabelSelector

_QUESTIONS = 1024


@dataclass(frozen=True, slots=True)
class Among:
    """Pods by namespace (None is all of them) and labels."""

    namespaces: frozenset[str] | None
    selector: LabelSelector

    def holds(self, pod: PodInfo) -> bool:
        template = pod.template
        if self.namespaces is not None and template.namespace not in self.namespaces:
            return False
        return self.selector.matches(template.labels)


@dataclass(frozen=True, slots=True)
class Question:
    """Pods for which all of these hold; at least one is given."""

    all_of: tuple[Among, ...]
    with_terminating: bool = True

    def holds(self, pod: PodInfo) -> bool:
        if pod.terminating and not self.with_terminating:
            return False
        return all(among.holds(pod) for among in self.all_of)

    @property
    def leading(self) -> LabelSelector:
        return self.all_of[0].selector


class PodCounts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._columns: OrderedDict[Question, Column] = OrderedDict()
        self._index: PairIndex[Question] = PairIndex()

    def ask(self, question: Question, pods: Iterable[tuple[PodInfo, int]]) -> Ints:
        """How many on each row. `pods`: everything that is on the nodes now, with its row; looked at once only."""
        found = self._columns.get(question)
        if found is None:
            found = self._begin(question, pods)
        self._columns.move_to_end(question)
        return found.values

    def _begin(self, question: Question, pods: Iterable[tuple[PodInfo, int]]) -> Column:
        column = self._columns[question] = self._rows.column()
        self._index.add(question.leading, question)
        for pod, row in pods:
            if question.holds(pod):
                column.values[row] += 1
        if len(self._columns) > _QUESTIONS:
            forgotten, _ = self._columns.popitem(last=False)
            self._index.remove(forgotten.leading, forgotten)
        return column

    def change(self, pod: PodInfo, row: int, by: int) -> None:
        for question in self._index.candidates(pod.template.labels):
            if question.holds(pod):
                self._columns[question].values[row] += by
