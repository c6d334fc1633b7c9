"""Benchmarks run to their end, print their tables, and leave nothing behind. How fast they are is not asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plane import Ran, processes_of, run

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("benchmarks")]


def _benchmark(name: str, *args: str, folder: Path) -> Ran:
    command = [sys.executable, "-m", f"benchmarks.{name}", *args]
    return run(command, cwd=ROOT, env={"TMPDIR": str(folder), "COLUMNS": "100"}, timeout_seconds=240)


@pytest.mark.parametrize("load", ["deployment", "bare"])
def test_the_benchmark_of_pods_sees_each_pod_through_every_stage(load: str, tmp_path: Path) -> None:
    told = tmp_path / "told.json"

    ran = _benchmark("pods", f"--load={load}", "--pods=40", "--nodes=10", f"--json={told}", folder=tmp_path)

    assert ran.code == 0, ran.out + ran.err
    assert "pods/s" in ran.out
    assert "CPU s" in ran.out
    results: dict[str, Any] = json.loads(told.read_text())
    assert {stage: one["count"] for stage, one in results["results"].items()} == dict.fromkeys(
        ("created", "scheduled", "running", "gone"), 40
    )
    assert all(one["seconds"] > 0 for one in results["results"].values())
    assert {"redis", "nats", "apiserver", "scheduler", "controllers", "kubelets"} < {
        one["name"] for one in results["processes"]
    }
    assert processes_of(tmp_path) == []
    assert [p.name for p in tmp_path.iterdir()] == [told.name]


def test_a_benchmark_that_takes_too_long_says_how_far_it_came_and_ends_everything(tmp_path: Path) -> None:
    ran = _benchmark("pods", "--pods=2000", "--nodes=2", "--timeout=0.1", folder=tmp_path)

    assert ran.code == 1
    assert "no result: after 0.1 s of 2000 pods: " in ran.err
    assert "Traceback" not in ran.err
    assert processes_of(tmp_path) == []
