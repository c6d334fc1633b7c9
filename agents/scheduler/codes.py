"""Values of nodes as small numbers, so that a question about all nodes is one operation on an array.

Each distinct value has a number while a node has it; numbers are used again, so they stay below the greatest count of
distinct values that there ever was at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from agents.scheduler.rows import Column, Ints, Mask, Rows

MISSING = -1
V = TypeVar("V", bound=Hashable)


class CodeColumn(Generic[V]):
    def __init__(self, rows: Rows) -> None:
        self._column: Column = rows.column(MISSING)
        self._code_of: dict[V, int] = {}
        self._values: list[V] = []
        self._uses: list[int] = []
        self._unused: list[int] = []

    @property
    def codes(self) -> Ints:
        """The number of each node's value; MISSING where there is none."""
        return self._column.values

    @property
    def domains(self) -> int:
        """Every number is below this."""
        return len(self._uses)

    def has(self) -> Mask:
        mask: Mask = self.codes != MISSING
        return mask

    def code(self, value: V) -> int | None:
        return self._code_of.get(value)

    def set(self, row: int, value: V | None) -> None:
        before = int(self._column.values[row])
        if value is not None and self._code_of.get(value) == before:
            return
        if before != MISSING:
            self._drop(before)
        self._column.values[row] = MISSING if value is None else self._use(value)

    def _use(self, value: V) -> int:
        code = self._code_of.get(value)
        if code is None:
            code = self._code_of[value] = self._new_code(value)
        self._uses[code] += 1
        return code

    def _new_code(self, value: V) -> int:
        if self._unused:
            code = self._unused.pop()
            self._values[code] = value
            return code
        self._uses.append(0)
        self._values.append(value)
        return len(self._uses) - 1

    def _drop(self, code: int) -> None:
        self._uses[code] -= 1
        if self._uses[code] == 0:
            del self._code_of[self._values[code]]
            self._unused.append(code)

    def where(self, holds: Callable[[V], bool], *, missing: bool) -> Mask:
        """The rows whose value holds; `missing` is the answer for those without one."""
        answers = np.zeros(self.domains + 1, dtype=np.bool_)
        for value, code in self._code_of.items():
            answers[code] = holds(value)
        answers[MISSING] = missing
        return answers[self.codes]

    def numbers(self, number: Callable[[V], int]) -> Ints:
        """A number for each row's value; 0 for those without one."""
        answers = np.zeros(self.domains + 1, dtype=np.int64)
        for value, code in self._code_of.items():
            answers[code] = number(value)
        return answers[self.codes]

    def equals(self, value: V) -> Mask:
        code = self._code_of.get(value)
        return np.zeros(len(self.codes), dtype=np.bool_) if code is None else self.codes == code

    def sum_by_value(self, counts: Ints, among: Mask) -> Ints:
        """`counts` added up by number, over those rows `among` that have one."""
        among = among & self.has()
        summed = np.bincount(self.codes[among], weights=counts[among], minlength=self.domains)
        return summed.astype(np.int64)

    def by_row(self, by_value: Ints) -> Ints:
        """For each row what was counted for its value; 0 for those without one."""
        return np.append(by_value, 0)[self.codes]
