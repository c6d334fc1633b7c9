"""Objects of the right types of which a part is missing, empty or absurd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _others(value: Any) -> list[Any]:
    """Absurd values of the same type."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, dict):
        return [{}]
    if isinstance(value, list):
        return [[], value * 2]
    if isinstance(value, int):
        return [0, -1, 2**40]
    return ["", "../Ärger\n", "0", "x" * 300]


def mutants(node: Any) -> Iterator[Any]:
    """Every copy of the node with one part missing or replaced."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield {k: v for k, v in node.items() if k != key}
            for other in (*_others(value), *mutants(value)):
                yield {**node, key: other}
    elif isinstance(node, list):
        for i, value in enumerate(node):
            for other in (*_others(value), *mutants(value)):
                yield [*node[:i], other, *node[i + 1 :]]
