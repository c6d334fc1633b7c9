"""Which of many selectors may match these labels? Found by one label pair of each, instead of asking all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

from apiserver.api.selectors import LabelSelector

T = TypeVar("T", bound=Hashable)
_Pair = tuple[str, str]


def _pair(selector: LabelSelector) -> _Pair | None:
    """A label that every object the selector matches has, if there is one."""
    for requirement in selector.requirements:
        if requirement.operator in ("=", "in") and len(requirement.values) == 1:
            return requirement.key, requirement.values[0]
    return None


class PairIndex(Generic[T]):
    def __init__(self) -> None:
        self._by_pair: dict[_Pair | None, dict[T, None]] = {}

    def add(self, selector: LabelSelector, item: T) -> None:
        self._by_pair.setdefault(_pair(selector), {})[item] = None

    def remove(self, selector: LabelSelector, item: T) -> None:
        pair = _pair(selector)
        held = self._by_pair.get(pair, {})
        held.pop(item, None)
        if not held:
            self._by_pair.pop(pair, None)

    def candidates(self, labels: Mapping[str, str]) -> Iterator[T]:
        """Everything that may match. The caller asks the selector itself."""
        yield from self._by_pair.get(None, ())
        for pair in labels.items():
            yield from self._by_pair.get(pair, ())
