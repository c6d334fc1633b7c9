"""Named places where a test may have the process die, to force the interleavings that matter.

`BACKBEAT_CRASH_AT=before-publish` kills the process (SIGKILL) when it first reaches that place, `before-publish:3` at
the third time. The places: `after-commit`, `before-publish`, `before-trim`, `before-ack`, `repair-applied`,
`restore-aside`, `restore-switched`, `restore-history`. Unset, nothing happens.
"""

from __future__ import annotations

import os
import signal
from typing import Protocol

VARIABLE = "BACKBEAT_CRASH_AT"


class CrashPoints(Protocol):
    def reach(self, name: str) -> None:
        """Called when the process is at the named place."""
        ...


class NoCrash:
    """The ordinary life."""

    def reach(self, name: str) -> None:
        return


class ArmedCrash:
    """Dies at the n-th arrival at one place."""

    def __init__(self, name: str, times: int) -> None:
        self._name = name
        self._left = times

    def reach(self, name: str) -> None:
        if name != self._name:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


def from_environment() -> CrashPoints:
    """Raises ValueError for a count that is not a number."""
    armed = os.environ.get(VARIABLE, "")
    if not armed:
        return NoCrash()
    name, _, times = armed.partition(":")
    return ArmedCrash(name, int(times or 1))
