"""What was given out a moment ago, and may not be seen in the cache yet: so that nobody else is given it meanwhile.

In this server alone; two servers that decide within the same few milliseconds do not know of each other.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable

Owner = tuple[str, str]
"""(namespace, name)."""

HELD_SECONDS = 2.0
"""Far longer than a commit takes. What was refused after all is free again then."""


class Recent:
    """The owner may have its own again at any time: an object that is refused and sent once more."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[Owner, float]] = {}

    def hold(self, owner: Owner, values: Iterable[Hashable]) -> None:
        until = time.monotonic() + HELD_SECONDS
        self._held.update((value, (owner, until)) for value in values)

    def of_others(self, owner: Owner) -> set[Hashable]:
        now = time.monotonic()
        self._held = {value: held for value, held in self._held.items() if held[1] > now}
        return {value for value, (holder, _) in self._held.items() if holder != owner}
