"""What all processes that hear do: until {"do": "report", "latencies": file} comes, report, and count anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from benchmarks.clients.control import Control
from benchmarks.clients.received import Count, report
from benchmarks.clients.station import Member, Station


def hear(
    control: Control, members: Sequence[Member], *, heard: Callable[[], int], take: Callable[[], Sequence[Count]]
) -> NoReturn:
    """`take` gives what each watcher heard since it was last called. Raises Ended."""
    station = Station(control, members)
    control.tell(ready=True)
    while True:
        asked = station.attend(heard)
        control.tell(report=report(take(), closed=station.closed, latencies_file=asked["latencies"]))
