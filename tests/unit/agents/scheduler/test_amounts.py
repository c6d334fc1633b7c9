"""What is charged for a pod."""

from __future__ import annotations

from typing import Any

from agents.scheduler.amounts import LIMIT, allocated, amount, pod_requests, scored_requests

Obj = dict[str, Any]


def container(cpu: str = "", memory: str = "", *, name: str = "c", sidecar: bool = False) -> Obj:
    requests = {**({"cpu": cpu} if cpu else {}), **({"memory": memory} if memory else {})}
    return {"name": name, "resources": {"requests": requests}, **({"restartPolicy": "Always"} if sidecar else {})}


def test_containers_add_up() -> None:
    spec = {"containers": [container("100m", "1Gi"), container("1", "1Gi")]}
    assert pod_requests(spec) == {"cpu": 1100, "memory": 2 * 2**30}


def test_init_containers_count_by_the_largest() -> None:
    spec = {"containers": [container("100m")], "initContainers": [container("300m"), container("200m")]}
    assert pod_requests(spec) == {"cpu": 300}


def test_sidecars_stay_and_so_count_with_everything_after_them() -> None:
    spec = {
        "containers": [container("100m")],
        "initContainers": [container("50m", sidecar=True), container("400m"), container("70m", sidecar=True)],
    }
    assert pod_requests(spec) == {"cpu": 450}
    spec["initContainers"][1] = container("10m")
    assert pod_requests(spec) == {"cpu": 220}


def test_a_sidecar_does_not_count_for_init_containers_before_it() -> None:
    spec = {"containers": [container("1m")], "initContainers": [container("400m"), container("50m", sidecar=True)]}
    assert pod_requests(spec) == {"cpu": 400}


def test_figures_of_the_pod_replace_those_of_its_containers_and_overhead_comes_on_top() -> None:
    spec = {
        "containers": [container("100m", "1Gi")],
        "resources": {"requests": {"cpu": "2", "ephemeral-storage": "1Gi"}},
        "overhead": {"cpu": "10m", "memory": "1Mi"},
    }
    assert pod_requests(spec) == {"cpu": 2010, "memory": 2**30 + 2**20}


def test_cpu_is_rounded_up_to_thousandths_and_bytes_to_whole_ones() -> None:
    assert amount("cpu", "100u") == 1
    assert amount("memory", "1500m") == 2
    assert amount("example.com/gpu", "3") == 3


def test_absurd_amounts_are_capped() -> None:
    assert amount("memory", "9999999999999999999E") == LIMIT
    assert pod_requests({"containers": [container(memory="8E"), container(memory="8E")]}) == {"memory": LIMIT}


def test_containers_that_ask_for_nothing_count_a_little_in_scores() -> None:
    spec: Obj = {"containers": [container(), container("500m", "1Gi")]}
    assert scored_requests(spec) == (600, 200 * 2**20 + 2**30)
    assert pod_requests(spec) == {"cpu": 500, "memory": 2**30}


def test_while_a_resize_is_under_way_the_larger_figure_counts() -> None:
    status = {
        "containerStatuses": [
            {"name": "c", "allocatedResources": {"cpu": "2"}, "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
            {"name": "d"},
        ]
    }
    floors = allocated(status)
    assert floors == {"c": {"cpu": 2000, "memory": 2**30}}
    spec = {"containers": [container("100m", "2Gi"), container("1", name="d")]}
    assert pod_requests(spec, floors=floors) == {"cpu": 3000, "memory": 2 * 2**30}
