from __future__ import annotations

from typing import Any

import pytest

from benchmarks.common.podload import CREATED, GONE, RUNNING, SCHEDULED, stages_of
from benchmarks.common.stages import Stages, quantile

READY = {"type": "Ready", "status": "True"}


def test_a_stage_is_told_from_the_beginning_and_each_object_from_its_own_first_stage() -> None:
    stages = Stages("there", "done")
    for name, came, ended in (("a", 11.0, 12.0), ("b", 12.0, 15.0), ("c", 13.0, 15.0)):
        stages.note("there", name, came)
        stages.note("done", name, ended)

    done = stages.reached("done", began=10.0)

    assert (done.count, done.seconds, done.per_second) == (3, 5.0, 0.6)
    assert (done.median_seconds, done.slowest_seconds) == (2.0, 3.0)
    assert stages.reached("there", began=10.0).seconds == 3.0


def test_the_first_time_counts() -> None:
    stages = Stages("there", "done")
    for now in (1.0, 2.0):
        stages.note("there", "a", now)
    assert stages.reached("there", began=0.0).seconds == 1.0
    assert stages.count("done") == 0


@pytest.mark.parametrize(("part", "value"), [(0.0, 1.0), (0.5, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_quantile_is_a_value_that_was_seen(part: float, value: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], part) == value


@pytest.mark.parametrize(
    ("kind", "spec", "status", "told"),
    [
        ("ADDED", {}, {}, [CREATED]),
        ("MODIFIED", {"nodeName": "n"}, {"phase": "Pending"}, [CREATED, SCHEDULED]),
        ("MODIFIED", {"nodeName": "n"}, {"phase": "Running"}, [CREATED, SCHEDULED]),
        ("MODIFIED", {"nodeName": "n"}, {"phase": "Running", "conditions": [READY]}, [CREATED, SCHEDULED, RUNNING]),
        ("DELETED", {"nodeName": "n"}, {"phase": "Running", "conditions": [READY]}, [GONE]),
    ],
)
def test_a_frame_tells_which_stages_its_pod_has_reached(
    kind: str, spec: dict[str, Any], status: dict[str, Any], told: list[str]
) -> None:
    assert list(stages_of(kind, {"spec": spec, "status": status})) == told
