"""The pure parts of the benchmark of restarts."""

from __future__ import annotations

import pytest

from benchmarks.restart import Restart, ratios, sizes


@pytest.mark.parametrize(("pods", "expected"), [(30, [30]), (200, [100, 100]), (250, [100, 100, 50])])
def test_every_pod_is_of_one_set(pods: int, expected: list[int]) -> None:
    assert sizes(pods) == expected


def _restart(process: str, pods: int, seconds: float, cpu: float) -> Restart:
    return Restart(process, pods, seconds, cpu, lists=0, behind_cpu_seconds=0.0, resident_bytes=0)


def test_the_ratio_is_of_the_most_pods_to_the_fewest() -> None:
    found = [_restart("a", 20, 3.0, 1.5), _restart("a", 2, 2.0, 1.0), _restart("b", 2, 1.0, 1.0)]

    assert ratios(found) == {"a": (1.5, 1.5)}
