"""What a client process and whoever started it say to each other: a JSON object a line, over stdin and stdout.

    in      the job, first of all; then {"do": …}, as the job understands it
    out     {"ready": true} once everything is connected; {"count": n} a few times a second; {"report": {…}} at the end

When the other side is gone, so is this process.
"""

from __future__ import annotations

import json
import os
from typing import Any

Line = dict[str, Any]


class Ended(Exception):
    """Nobody is there any more who would want the results."""


class Control:
    def __init__(self, *, incoming: int = 0, outgoing: int = 1) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._read = b""

    def fileno(self) -> int:
        return self._incoming

    def tell(self, **line: Any) -> None:
        """Raises Ended."""
        data = json.dumps(line).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._outgoing, data) :]
        except BrokenPipeError as err:
            raise Ended from err

    def hear(self) -> Line:
        """The next line; waits for it. Raises Ended."""
        while b"\n" not in self._read:
            data = os.read(self._incoming, 65_536)
            if not data:
                raise Ended
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        heard: Line = json.loads(line)
        return heard
