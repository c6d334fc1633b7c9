"""Clients that send requests to API servers: each on a keep-alive connection of its own, the next as soon as the answer
is there, or at a fixed rate all together.

The number of the request goes into its path and its object; what is expected is one status, and anything else is
counted as refused, with its first words.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from benchmarks.clients import marks
from benchmarks.clients.control import Control, Line
from benchmarks.clients.http import Answers, Server, request, with_body
from benchmarks.clients.link import Link, trusting
from benchmarks.clients.station import TELL_SECONDS, Station

_SHOWN_BYTES = 300
_NUMBER = "{number}"

BODIES: dict[str, Callable[..., marks.Body]] = {
    "config-map": marks.config_map,
    "small-config-map": marks.small_config_map,
    "pod": marks.pod,
    "data-patch": marks.data_patch,
}


class Requests:
    """What is sent: the bytes of request `number`."""

    def __init__(
        self,
        server: Server,
        *,
        method: str,
        path: str,
        body: list[str] | None,
        content_type: str = "application/json",
        objects: int = 0,
    ) -> None:
        """`objects`: the numbers begin anew after so many; 0: they do not."""
        kind = content_type if body is not None else ""
        template = path.replace("%", "%%").replace(_NUMBER, "%(number)07d")
        self._head = request(server, method, template, content_type=kind)
        self._body = BODIES[body[0]](*body[1:]) if body is not None else None
        self._objects = objects

    def made(self, number: int, now: int) -> bytes:
        number = number % self._objects if self._objects else number
        head = self._head % {b"number": number}
        return head if self._body is None else with_body(head, self._body(number, now))


class Schedule:
    """The numbers that are to be sent, and when."""

    def __init__(self, numbers: range, *, per_second: float) -> None:
        self._numbers: Iterator[int] = iter(numbers)
        self._interval = 1 / per_second if per_second else 0.0
        self._due = time.monotonic()
        self.left = len(numbers)

    @classmethod
    def asked(cls, asked: dict[str, Any]) -> Schedule:
        first = asked["first"]
        return cls(range(first, first + asked["count"]), per_second=asked["per_second"])

    def take(self) -> int | None:
        """A number that is due now."""
        if self._interval:
            if time.monotonic() < self._due:
                return None
            self._due += self._interval
        number = next(self._numbers, None)
        if number is not None:
            self.left -= 1
        return number

    def wait_seconds(self) -> float:
        return max(0.0, self._due - time.monotonic()) if self._interval and self.left else TELL_SECONDS


class Caller(Protocol):
    """One connection that sends one request at a time."""

    @property
    def link(self) -> Link: ...

    def send(self, number: int) -> None: ...


class Run:
    """One burst of requests over all connections of the process."""

    def __init__(self, schedule: Schedule, *, expected: int) -> None:
        self.idle: list[Caller] = []
        self._schedule = schedule
        self._expected = expected
        self._wanted = schedule.left
        self._bytes = self._refused = 0
        self._told = ""
        self._sent, self._took = array("q"), array("q")

    def note(self, sent_at: int, status: int, length: int, beginning: bytes) -> None:
        """An answer came."""
        self._sent.append(sent_at)
        self._took.append(time.monotonic_ns() - sent_at)
        self._bytes += length
        if status != self._expected:
            self._refused += 1
            self._told = f"{status} {beginning.decode('utf-8', 'replace')}"

    def next(self, caller: Caller) -> None:
        number = self._schedule.take()
        if number is None:
            self.idle.append(caller)
        else:
            caller.send(number)

    def serve(self, control: Control, station: Station, latencies_file: str) -> Line:
        """Until something else is asked for; tells the report when all is answered."""
        told = False

        def on_turn() -> float:
            nonlocal told
            while self.idle and (number := self._schedule.take()) is not None:
                caller = self.idle.pop()
                caller.send(number)
                station.note_writing(caller.link)
            if not told and len(self._took) == self._wanted:
                told = True
                control.tell(report=self._report(latencies_file))
            return self._schedule.wait_seconds()

        return station.attend(lambda: len(self._took), on_turn=on_turn)

    def _report(self, latencies_file: str) -> Line:
        sent, took = np.frombuffer(self._sent, np.int64), np.frombuffer(self._took, np.int64)
        np.save(latencies_file, took)
        return {
            "answered": len(took),
            "refused": self._refused,
            "told": self._told,
            "bytes": self._bytes,
            "first_ns": int(sent.min()) if len(sent) else 0,
            "last_ns": int((sent + took).max()) if len(sent) else 0,
        }


class Sender:
    """One connection to an API server."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._requests: Requests | None = None
        self._run: Run | None = None
        self._sent_at = 0
        self._answers = Answers(link, self._on_answer, keep_bytes=_SHOWN_BYTES)

    def begin(self, run: Run, requests: Requests) -> None:
        self._run, self._requests = run, requests
        run.idle.append(self)

    def send(self, number: int) -> None:
        assert self._requests is not None
        self._sent_at = time.monotonic_ns()
        self.link.send(self._requests.made(number, self._sent_at))

    def on_readable(self, buffer: memoryview) -> None:
        self._answers.read(buffer)

    def _on_answer(self, status: int, length: int, beginning: bytes) -> None:
        assert self._run is not None
        self._run.note(self._sent_at, status, length, beginning)
        self._run.next(self)


def run(control: Control, *, servers: list[dict[str, Any]], connections: int) -> None:
    """Runs of requests as they are asked for, over the same connections, spread over the servers:

    {"do": "run", "requests": {…}, "first": n, "count": n, "per_second": 0 for as fast as they go,
     "expected": status, "latencies": file}
    """
    places = [Server(**one) for one in servers]
    context = trusting(places[0].ca_file)
    spread = [places[n % len(places)] for n in range(connections)]
    senders = [Sender(Link(place.host, place.port, tls=context)) for place in spread]
    station = Station(control, senders)
    control.tell(ready=True)
    asked = station.attend(lambda: 0)
    while True:
        current = Run(Schedule.asked(asked), expected=asked["expected"])
        requests = Requests(places[0], **asked["requests"])
        for sender in senders:
            sender.begin(current, requests)
        asked = current.serve(control, station, asked["latencies"])
