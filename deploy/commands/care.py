"""What the API server's paths that look after the control plane tell, line by line; and progress for who looks on.

See `apiserver.care.told`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

import orjson

from agents.client.transport import Query
from apiserver.api import status
from deploy.commands.plane import Plane

Obj = dict[str, Any]

CLEAR_LINE = "\r\x1b[K"


class Shown:
    """Progress on standard error, where that is a terminal. What is printed meanwhile calls `clear` first."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()

    def at(self, of: str, done: int, total: int) -> None:
        if self._shows:
            sys.stderr.write(f"{CLEAR_LINE}{of}: {done} of {max(done, total)}")
            sys.stderr.flush()

    def clear(self) -> None:
        if self._shows:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()


async def told(
    plane: Plane,
    path: str,
    *,
    method: str = "GET",
    query: Query | None = None,
    body: AsyncIterable[bytes] | None = None,
    shown: Shown | None = None,
) -> AsyncGenerator[Obj, None]:
    """Every line but those of progress. Raises StatusError, also where it comes as the last line."""
    async for raw in plane.transport.lines(path, query=query or {}, method=method, body=body):
        line: Obj = orjson.loads(raw)
        if "error" in line:
            raise status.from_status(line["error"], code=int(line["error"].get("code", 500)))
        if "progress" not in line:
            if shown is not None:
                shown.clear()
            yield line
        elif shown is not None:
            progress = line["progress"]
            shown.at(progress["of"], progress["done"], progress["total"])
