"""A client that lists on one connection, whole or page by page, the next page as soon as the one before is there.

What is kept of an answer is the answer: its objects are counted by their marks once its time was taken.
"""

from __future__ import annotations

import re
import time
from array import array
from typing import Any

import numpy as np

from benchmarks.clients.control import Control, Line
from benchmarks.clients.http import Answers, Server, request
from benchmarks.clients.link import Link, trusting
from benchmarks.clients.station import Station

_MARK = b'"mark":"'
_CONTINUE = re.compile(rb'"continue":"([^"]+)"')
_KEEP_BYTES = 2**40


class Lister:
    """Lists again and again; `path` has its query already."""

    def __init__(self, link: Link, server: Server) -> None:
        self.link = link
        self._server = server
        self._answers = Answers(link, self._on_answer, keep_bytes=_KEEP_BYTES)
        self._path = ""
        self._rounds_left = 0
        self.begin("", 0)

    def begin(self, path: str, rounds: int) -> None:
        self._path, self._rounds_left = path, rounds
        self._sent_at = 0
        self._sent, self._took = array("q"), array("q")
        self._objects = self._bytes = 0
        self._refused = ""

    @property
    def answered(self) -> int:
        return len(self._took)

    @property
    def done(self) -> bool:
        return not self._rounds_left

    def send(self, token: str = "") -> None:
        path = f"{self._path}&continue={token}" if token else self._path
        self._sent_at = time.monotonic_ns()
        self.link.send(request(self._server, "GET", path))

    def on_readable(self, buffer: memoryview) -> None:
        self._answers.read(buffer)

    def _on_answer(self, status: int, length: int, body: bytes) -> None:
        self._sent.append(self._sent_at)
        self._took.append(time.monotonic_ns() - self._sent_at)
        if status != 200:
            self._refused, self._rounds_left = f"{status} {body[:300].decode('utf-8', 'replace')}", 0
            return
        self._bytes += length
        self._objects += body.count(_MARK)
        token = _CONTINUE.search(body)
        self._rounds_left -= token is None
        if self._rounds_left:
            self.send(token[1].decode() if token else "")

    def report(self, latencies_file: str) -> Line:
        sent, took = np.frombuffer(self._sent, np.int64), np.frombuffer(self._took, np.int64)
        np.save(latencies_file, took)
        return {
            "answered": len(took),
            "objects": self._objects,
            "bytes": self._bytes,
            "refused": bool(self._refused),
            "told": self._refused,
            "first_ns": int(sent.min()),
            "last_ns": int((sent + took).max()),
        }


def run(control: Control, *, server: dict[str, Any]) -> None:
    """Runs of lists as they are asked for: {"do": "list", "path": …, "rounds": n, "latencies": file}"""
    place = Server(**server)
    lister = Lister(Link(place.host, place.port, tls=trusting(place.ca_file)), place)
    station = Station(control, [lister])
    control.tell(ready=True)
    asked = station.attend(lambda: 0)
    while True:
        lister.begin(asked["path"], asked["rounds"])
        lister.send()
        asked = _attended(station, control, lister, asked["latencies"])


def _attended(station: Station, control: Control, lister: Lister, latencies_file: str) -> Line:
    """Until something else is asked for; tells the report once everything is answered, or the server hung up."""
    told = False

    def on_turn() -> float:
        nonlocal told
        if station.closed:
            raise ConnectionError("the server ended the connection")
        if lister.done and not told:
            told = True
            control.tell(report=lister.report(latencies_file))
        return 0.2

    return station.attend(lambda: lister.answered, on_turn=on_turn)
