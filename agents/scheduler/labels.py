"""The labels of nodes by key, and which nodes a node selector means.

A column is made when its key is first asked for and kept up from then on; the least recently asked are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from agents.scheduler.codes import CodeColumn
from agents.scheduler.rows import Mask, Rows
from apiserver.api.scheduling import match_expression

NAME = "metadata.name"
_COLUMNS = 256

Labels = Mapping[str, str]
Term = Mapping[str, Any]
LabelColumn = CodeColumn[str]


class LabelIndex:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._labels: dict[int, Labels] = {}
        self._columns: OrderedDict[str, LabelColumn] = OrderedDict()
        self._names = LabelColumn(rows)

    def of(self, row: int) -> Labels:
        return self._labels.get(row, {})

    def set(self, row: int, labels: Labels) -> None:
        self._labels[row] = labels
        self._names.set(row, self._rows.names[row])
        for key, column in self._columns.items():
            column.set(row, labels.get(key))

    def clear(self, row: int) -> None:
        """Before the row is freed."""
        self._labels.pop(row, None)
        for column in (self._names, *self._columns.values()):
            column.set(row, None)

    def column(self, key: str) -> LabelColumn:
        found = self._columns.get(key)
        if found is None:
            found = self._columns[key] = LabelColumn(self._rows)
            for row, labels in self._labels.items():
                found.set(row, labels.get(key))
            if len(self._columns) > _COLUMNS:
                self._columns.popitem(last=False)
        self._columns.move_to_end(key)
        return found

    def match_labels(self, wanted: Labels) -> Mask:
        """The nodes that have all of these values."""
        mask = self._rows.valid.copy()
        for key, value in wanted.items():
            mask &= self.column(key).equals(value)
        return mask

    def match_terms(self, terms: Any) -> Mask:
        """The nodes for which one term holds."""
        mask = self._rows.mask()
        for term in terms:
            mask |= self.match_term(term)
        return mask

    def match_term(self, term: Term) -> Mask:
        """The nodes for which all expressions of the term hold. One that asks for nothing holds for none."""
        of_labels, of_fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
        if not of_labels and not of_fields:
            return self._rows.mask()
        mask = self._rows.valid.copy()
        for expression in of_labels:
            mask &= _holds(self.column(expression.get("key", "")), expression)
        for expression in of_fields:
            mask &= _holds(self._names, expression) if expression.get("key") == NAME else self._rows.mask()
        return mask


def _holds(column: LabelColumn, expression: Mapping[str, Any]) -> Mask:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "Exists":
            return column.has()
        case "DoesNotExist":
            return ~column.has()
        case "In":
            return np.isin(column.codes, [c for v in values if (c := column.code(v)) is not None])
        case "NotIn":
            return ~np.isin(column.codes, [c for v in values if (c := column.code(v)) is not None])
    return column.where(lambda value: match_expression(expression, {key: value}), missing=False)
