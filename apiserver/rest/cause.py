"""What a command says that it is a reaction to: the header `Backbeat-Cause: <resourceVersion>;heard=<RFC 3339>`.

Agents name the change that made them act, and when they heard of it, so that what happened can be told as a story later
(`backbeat trace`). It is the author's own word, and nothing is decided by it. What is not of this form is left out:
a command is never refused for its cause.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

HEADER = "backbeat-cause"

_FORM = re.compile(r"([1-9][0-9]{0,18})(?:;heard=([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z))?")


@dataclass(frozen=True, slots=True)
class Cause:
    """`heard` is RFC 3339 with microseconds, or empty."""

    rv: int
    heard: str = ""


def read(text: str) -> Cause | None:
    found = _FORM.fullmatch(text)
    return Cause(int(found[1]), found[2] or "") if found else None


def micro_time(moment: datetime) -> str:
    """RFC 3339 with microseconds, of a time in UTC."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
