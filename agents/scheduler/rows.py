"""Rows for nodes, and NumPy columns that are as long as there are rows.

A node keeps its row as long as it is there; rows of removed nodes are used again. `valid` tells which are in use. In a
row that is not in use a column holds its fill value.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_FIRST = 16


class Column:
    """One integer for each row. `values` is replaced when rows are added: never keep it."""

    def __init__(self, length: int, fill: int) -> None:
        self.fill = fill
        self.values: Ints = np.full(length, fill, dtype=np.int64)

    def grow(self, length: int) -> None:
        values: Ints = np.full(length, self.fill, dtype=np.int64)
        values[: len(self.values)] = self.values
        self.values = values


class Rows:
    def __init__(self) -> None:
        self.names: list[str] = [""] * _FIRST
        self.valid: Mask = np.zeros(_FIRST, dtype=np.bool_)
        self._row_of: dict[str, int] = {}
        self._unused = list(range(_FIRST - 1, -1, -1))
        self._columns: weakref.WeakSet[Column] = weakref.WeakSet()

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self._row_of)

    @property
    def length(self) -> int:
        """Of every column and mask."""
        return len(self.names)

    def column(self, fill: int = 0) -> Column:
        made = Column(self.length, fill)
        self._columns.add(made)
        return made

    def mask(self, value: bool = False) -> Mask:
        return np.full(self.length, value, dtype=np.bool_)

    def row_of(self, name: str) -> int | None:
        return self._row_of.get(name)

    def items(self) -> Iterator[tuple[str, int]]:
        return iter(self._row_of.items())

    def take(self, name: str) -> int:
        """A row for a node that has none."""
        if not self._unused:
            self._grow()
        row = self._unused.pop()
        self._row_of[name] = row
        self.names[row] = name
        self.valid[row] = True
        return row

    def free(self, name: str) -> int:
        row = self._row_of.pop(name)
        self.names[row] = ""
        self.valid[row] = False
        for column in self._columns:
            column.values[row] = column.fill
        self._unused.append(row)
        return row

    def _grow(self) -> None:
        old, new = self.length, self.length * 2
        self.names += [""] * (new - old)
        self.valid = np.concatenate([self.valid, np.zeros(new - old, dtype=np.bool_)])
        self._unused = list(range(new - 1, old - 1, -1))
        for column in self._columns:
            column.grow(new)
