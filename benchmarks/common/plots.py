"""Plots of results: each as PNG, and all of them as SVG inside one page that needs nothing else.

matplotlib is asked for only here (`pip install -e '.[bench]'`). Text and axes of an SVG take the colour of the page's
text, so they can be read in light and dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.compare import Results
from benchmarks.common.reference import KUBERNETES, NAME

_INK = "#010203"
"""What stands for the colour of the page's text in an SVG."""
_UNREFERENCED = re.compile(r'<metadata>.*?</metadata>| id="[a-z0-9.]+_\d+"', re.DOTALL)
"""Would stand in the page once for each plot."""
_REFERENCE = "#d9822b"
_COLOURS = ("#3b82f6", "#22a06b", "#a855f7", "#8a8f98", "#ef4444")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}

Draw = Callable[[Any, Results], None]


class NoMatplotlib(Exception):
    """It is not installed: there are no plots."""


def draw(results: Mapping[str, Results], folder: Path) -> dict[str, str]:
    """Write each plot as PNG; all as SVG by name. Raises NoMatplotlib."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as err:
        raise NoMatplotlib("no plots: matplotlib is not installed (pip install -e '.[bench]')") from err
    made: dict[str, str] = {}
    with rc_context(_STYLE):
        for name, how, told in _plots(results):
            figure = Figure(figsize=(9, 4.2), layout="constrained")
            how(figure.subplots(), told)
            figure.savefig(folder / f"{name}.png", dpi=120, facecolor="white")
            text = io.StringIO()
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
            made[name] = _inline(text.getvalue())
    return made


def _inline(svg: str) -> str:
    return _UNREFERENCED.sub("", svg[svg.index("<svg") :]).replace(_INK, "currentColor")


def _plots(results: Mapping[str, Results]) -> Iterator[tuple[str, Draw, Results]]:
    known: Mapping[str, tuple[tuple[str, Draw], ...]] = {
        "fanout": (("fanout-cpu", _fanout_cpu), ("fanout-latency", _fanout_latency)),
        "writes": (("writes", _writes),),
        "reads": (("reads", _reads),),
        "pods": (("pods", _pods),),
    }
    for benchmark, told in results.items():
        for name, how in known.get(benchmark, ()):
            yield name, how, told


def _fanout_cpu(axes: Any, told: Results) -> None:
    _lines(axes, told, "deliveries_per_cpu_second", burst=True)
    _mark_kubernetes(axes, "HTTP watch, 1000 watchers, burst", "deliveries_per_cpu_second", 1000)
    axes.set(title="Deliveries per server CPU second, as fast as they come", xlabel="watchers", ylabel="deliveries")
    axes.figure.legend(loc="outside lower center", ncols=3)


def _fanout_latency(axes: Any, told: Results) -> None:
    _lines(axes, told, "p99_ms", burst=False)
    _mark_kubernetes(axes, "HTTP watch, 100 watchers, 100/s", "p99_ms", 100)
    axes.set(title="p99 from request to receipt, at a fixed rate", xlabel="watchers", ylabel="ms")
    axes.figure.legend(loc="outside lower center", ncols=3)


def _lines(axes: Any, told: Results, figure: str, *, burst: bool) -> None:
    series: dict[str, list[tuple[float, float]]] = {}
    for row in told["results"].values():
        if (row["pace"] == "burst") is burst:
            series.setdefault(row["what"], []).append((row["watchers"], row[figure]))
    for colour, (what, points) in zip(_COLOURS, series.items(), strict=False):
        axes.plot(*zip(*points, strict=True), marker="o", label=what, color=colour)
    axes.set(xscale="log", yscale="log")


def _mark_kubernetes(axes: Any, row: str, figure: str, watchers: int) -> None:
    value = KUBERNETES["fanout", row, figure]
    axes.plot([watchers], [value], marker="D", linestyle="none", color=_REFERENCE, label=NAME)


def _writes(axes: Any, told: Results) -> None:
    _bars(axes, {row: one["requests_per_cpu_second"] for row, one in told["results"].items()})
    _ticks_of_kubernetes(axes, "writes", list(told["results"]), "requests_per_cpu_second")
    axes.set(title="Writes per server CPU second", xlabel="requests")


def _reads(axes: Any, told: Results) -> None:
    shown = {row: one["p50_ms"] for row, one in told["results"].items() if "p50_ms" in one}
    _bars(axes, shown)
    _ticks_of_kubernetes(axes, "reads", list(shown), "p50_ms")
    axes.set(title="Median time of an answer", xlabel="ms")


def _pods(axes: Any, told: Results) -> None:
    _bars(axes, {row: one["per_second"] for row, one in told["results"].items()})
    axes.set(title="Pods a second, until the last one", xlabel="pods/s")


def _bars(axes: Any, values: Mapping[str, float]) -> None:
    bars = axes.barh(list(values), list(values.values()), color=_COLOURS[0])
    axes.bar_label(bars, fmt="{:,.4g}", padding=4, color=_INK)
    axes.invert_yaxis()
    axes.margins(x=0.12)


def _ticks_of_kubernetes(axes: Any, benchmark: str, rows: list[str], figure: str) -> None:
    found = [
        (KUBERNETES[benchmark, row, figure], n) for n, row in enumerate(rows) if (benchmark, row, figure) in KUBERNETES
    ]
    if found:
        axes.plot(*zip(*found, strict=True), marker="D", linestyle="none", color=_REFERENCE, label=NAME)
        axes.figure.legend(loc="outside lower right")
