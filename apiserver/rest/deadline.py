"""How long a request may take: as long as the server allows, or less if its `timeout` parameter says so.

Upstream: `endpoints/filters/request_deadline.go`. Opening a watch or a log is bounded like any request; following it is
not.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

from apiserver.api.status import BadRequest, Timeout

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_DURATION = re.compile(rf"[+-]?(?:0|(?:{_PART.pattern})+)")


def seconds(asked: str, *, at_most: float) -> float:
    """Raises BadRequest for what Go would not read as a duration. 0 asks for nothing."""
    if not asked:
        return at_most
    if not _DURATION.fullmatch(asked):
        raise BadRequest(f'invalid timeout specified in the request URL - time: invalid duration "{asked}"')
    found = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(asked))
    if asked.startswith("-"):
        return 0.0
    return min(found, at_most) or at_most


@contextlib.asynccontextmanager
async def within(limit_seconds: float) -> AsyncIterator[None]:
    """Raises Timeout when the time is up. A write may have been made even so, as upstream warns."""
    try:
        async with asyncio.timeout(limit_seconds):
            yield
    except TimeoutError as err:
        raise Timeout("Timeout: request did not complete within requested timeout - context deadline exceeded") from err
