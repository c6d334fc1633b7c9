from __future__ import annotations

from typing import Any

import pytest

from benchmarks.common.compare import Verdict, comparable, compare


def _results(**figures: float) -> dict[str, Any]:
    machine = {"cpu": "c", "cores": 2, "disk": "ext4", "load": 0.1}
    return {"parameters": {"n": 1}, "machine": machine, "results": {"row": figures}}


@pytest.mark.parametrize(
    ("figure", "before", "now", "verdict"),
    [
        ("requests_per_second", 100, 130, Verdict.BETTER),
        ("requests_per_second", 130, 100, Verdict.WORSE),
        ("requests_per_second", 100, 110, Verdict.SAME),
        ("p99_ms", 10, 20, Verdict.WORSE),
        ("p99_ms", 20, 10, Verdict.BETTER),
        ("p99_ms", 10, 12, Verdict.SAME),
        ("missing", 0, 1, Verdict.WORSE),
        ("missing", 1, 0, Verdict.BETTER),
        ("cut_off", 0, 0, Verdict.SAME),
    ],
)
def test_a_figure_moved_only_beyond_the_noise_of_its_kind(
    figure: str, before: float, now: float, verdict: Verdict
) -> None:
    [compared] = compare(_results(**{figure: before}), _results(**{figure: now}))
    assert compared.verdict is verdict


def test_a_figure_or_row_that_is_new_is_not_compared() -> None:
    assert compare(_results(p50_ms=1), _results(p99_ms=1)) == []
    assert compare({**_results(), "results": {}}, _results(p99_ms=1)) == []


def test_results_of_other_parameters_or_machines_say_nothing() -> None:
    one = _results(p50_ms=1)
    busy = {**one, "machine": {**one["machine"], "load": 5.0}}
    assert comparable(one, busy) == ""
    assert comparable(one, {**one, "parameters": {"n": 2}}) == "it was run with other parameters"
    assert comparable(one, {**one, "machine": {**one["machine"], "cores": 8}}) == "it ran on another machine"
