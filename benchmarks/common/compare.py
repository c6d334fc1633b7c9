"""Two results beside each other: which figures became better or worse, beyond the noise of a machine. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Results = Mapping[str, Any]
"""What a benchmark wrote as JSON."""


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    SAME = "within noise"


@dataclass(frozen=True, slots=True)
class Kind:
    """`noise`: the part by which two runs of the same code differ on a machine that does other things too."""

    more_is_better: bool
    noise: float


_RATE = Kind(more_is_better=True, noise=0.25)
_PER_CPU = Kind(more_is_better=True, noise=0.15)
_TIME = Kind(more_is_better=False, noise=0.5)
_SECONDS = Kind(more_is_better=False, noise=0.25)
_CPU = Kind(more_is_better=False, noise=0.15)
_BYTES = Kind(more_is_better=False, noise=0.15)

FIGURES: Mapping[str, Kind] = {
    "deliveries_per_second": _RATE,
    "requests_per_second": _RATE,
    "per_second": _RATE,
    "deliveries_per_cpu_second": _PER_CPU,
    "requests_per_cpu_second": _PER_CPU,
    "p50_ms": _TIME,
    "p99_ms": _TIME,
    "publish_seconds": _TIME,
    "ready_seconds": _SECONDS,
    "api_server_cpu_seconds": _CPU,
    "server_bytes": _BYTES,
    "api_server_bytes": _BYTES,
}
"""The figures that are compared, of all that results hold."""

ZERO = ("missing", "duplicates", "cut_off")
"""Of these, one more than before is worse, whatever the noise."""


@dataclass(frozen=True, slots=True)
class Compared:
    row: str
    figure: str
    before: float
    now: float
    verdict: Verdict

    @property
    def ratio(self) -> float | None:
        return self.now / self.before if self.before else None


def compare(before: Results, now: Results) -> list[Compared]:
    """Every figure that both have."""
    return [
        Compared(row, figure, before["results"][row][figure], value, _verdict(figure, _of(before, row, figure), value))
        for row, figure, value in _figures(now)
        if row in before["results"] and figure in before["results"][row]
    ]


def comparable(before: Results, now: Results) -> str:
    """Empty, or why ratios say nothing."""
    if before["parameters"] != now["parameters"]:
        return "it was run with other parameters"
    machines = [{key: one["machine"].get(key) for key in ("cpu", "cores", "disk")} for one in (before, now)]
    return "it ran on another machine" if machines[0] != machines[1] else ""


def _figures(results: Results) -> Iterator[tuple[str, str, float]]:
    for row, told in results["results"].items():
        for figure in (*FIGURES, *ZERO):
            if isinstance(told.get(figure), int | float):
                yield row, figure, float(told[figure])


def _of(results: Results, row: str, figure: str) -> float:
    return float(results["results"][row][figure])


def _verdict(figure: str, before: float, now: float) -> Verdict:
    if figure in ZERO:
        return Verdict.SAME if now == before else Verdict.WORSE if now > before else Verdict.BETTER
    kind = FIGURES[figure]
    better, worse = (now, before) if kind.more_is_better else (before, now)
    if better > worse * (1 + kind.noise):
        return Verdict.BETTER
    return Verdict.WORSE if worse > better * (1 + kind.noise) else Verdict.SAME
