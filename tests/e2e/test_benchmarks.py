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


def _results(name: str, *args: str, folder: Path) -> dict[str, Any]:
    told = folder / "told.json"
    ran = _benchmark(name, *args, f"--json={told}", folder=folder)
    assert ran.code == 0, ran.out + ran.err
    assert processes_of(folder) == []
    assert [p.name for p in folder.iterdir()] == [told.name]
    results: dict[str, Any] = json.loads(told.read_text())["results"]
    return results


@pytest.mark.parametrize("kind", ["http", "subscriptions", "subjects", "nodes"])
def test_the_benchmark_of_the_fan_out_misses_nothing_and_hears_nothing_twice(kind: str, tmp_path: Path) -> None:
    small = ("--watchers=3", "--events=20", "--seconds=0.2", "--nodes=10", "--node-rate=50")

    results = _results("fanout", f"--kinds={kind}", *small, folder=tmp_path)

    assert results
    for row in results.values():
        assert row["delivered"] == row["events"] * (1 if kind == "nodes" else row["watchers"])
        assert (row["missing"], row["duplicates"], row["cut_off"]) == (0, 0, 0)


def test_the_benchmark_of_writes_is_answered_and_published_with_one_and_with_two_api_servers(tmp_path: Path) -> None:
    results = _results("writes", "--burst=60", "--count=40", folder=tmp_path)

    assert {row: one["count"] for row, one in results.items()} == {
        "create ConfigMaps": 60,
        "update ConfigMaps": 40,
        "patch ConfigMaps": 40,
        "create Pods": 40,
        "create ConfigMaps, 2 API servers": 40,
        "create Pods, 2 API servers": 40,
    }
    assert all(one["requests_per_second"] > 0 for one in results.values())


def test_the_benchmark_of_reads_gets_every_object_in_each_list(tmp_path: Path) -> None:
    small = ("--objects=30", "--gets=50", "--lists=2", "--many=1100")

    results = _results("reads", *small, folder=tmp_path)

    assert {row: (one["count"], one["objects"]) for row, one in results.items() if "count" in one} == {
        "get a ConfigMap": (50, 0),
        "list 30": (2, 60),
        "list 3 of them by label": (2, 6),
        "list 1,100 in pages of 500": (3, 1100),
    }
    assert results["cold start"]["objects"] == 1100


def test_after_a_restart_the_missed_changes_are_caught_up_with_and_nothing_is_listed(tmp_path: Path) -> None:
    results = _results("restart", "--pods=60,120", "--missed=10", folder=tmp_path)

    assert {row: (one["process"], one["lists"]) for row, one in results.items()} == {
        "controllers, 60 pods": ("controllers", 0),
        "scheduler, 60 pods": ("scheduler", 0),
        "controllers, 120 pods": ("controllers", 0),
        "scheduler, 120 pods": ("scheduler", 0),
    }
