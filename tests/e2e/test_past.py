"""The commands that tell the past and who listens, on a whole control plane with simulated nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands.command import Running, names
from tests.plane import ControlPlane, backbeat, wait_for

WEB = Path(__file__).parents[2] / "examples" / "web.yaml"

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("past")]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("past"), nodes=2, runtime="sim") as running:
        running.kubectl("apply", "-f", str(WEB))
        wait_for(lambda: _ready(running) == 3, timeout_seconds=120, what="three ready pods")
        yield running


def _ready(plane: ControlPlane) -> int:
    pods = plane.get("pods", "-l", "app=web")["items"]
    return sum(any(s["ready"] for s in pod["status"].get("containerStatuses", ())) for pod in pods)


def _told(plane: ControlPlane, *args: str) -> Any:
    ran = backbeat(*args, "-o", "json", f"--data-dir={plane.data_dir}")
    assert (ran.code, ran.err) == (0, "")
    return ran.json


def test_a_pods_life_is_told_from_the_controller_to_its_node(plane: ControlPlane) -> None:
    pod = plane.get("pods", "-l", "app=web")["items"][0]["metadata"]["name"]
    made, bound, *started = _told(plane, "trace", f"pod/{pod}")
    assert (made["type"], made["actor"]) == ("ADDED", "system:kube-controller-manager")
    assert made["cause"]["object"].startswith("replicasets.apps/default/web-")
    assert (bound["actor"], bound["cause"]["resourceVersion"]) == ("system:kube-scheduler", made["resourceVersion"])
    assert (started[0]["actor"], started[0]["cause"]["resourceVersion"]) == (
        "backbeat:sim-nodes", bound["resourceVersion"],
    )  # fmt: skip
    assert bound["resourceVersion"] in [one["resourceVersion"] for one in made["reactions"]]
    for chapter in (made, bound, started[0]):
        times = [chapter["cause"]["heard"], chapter["received"], chapter["committed"], chapter["published"]]
        assert times == sorted(times)
        heard_by = {one["subscription"] for one in chapter["listeners"]}
        assert {"scheduler", "controllers"} <= heard_by


def test_the_deployments_reconcile_is_a_reaction_to_the_users_command(plane: ControlPlane) -> None:
    plane.kubectl("scale", "deployment", "web", "--replicas=4")
    wait_for(lambda: _ready(plane) == 4, timeout_seconds=120, what="four ready pods")
    chapters = _told(plane, "trace", "deploy/web")
    scaled = next(one for one in chapters[1:] if one["actor"] == "admin")
    assert scaled["cause"] is None
    assert any(one["object"].startswith("replicasets.apps/") for one in scaled["reactions"])


def test_the_state_before_the_scaling_is_still_there(plane: ControlPlane) -> None:
    first = _told(plane, "history", "deploy/web")[0]
    assert first["object"]["spec"]["replicas"] == 3
    last_of_the_start = _told(plane, "trace", "deploy/web")[1]["resourceVersion"]
    then = _told(plane, "state", "--at", last_of_the_start, "deploy/web")
    assert then["spec"]["replicas"] == 3
    kinds = {item["kind"] for item in _told(plane, "state", "--at", last_of_the_start, "deploy,rs")["items"]}
    assert kinds == {"Deployment", "ReplicaSet"}


def test_every_agent_is_a_subscriber(plane: ControlPlane) -> None:
    def caught_up() -> bool:
        told = _told(plane, "lag")
        states = {one["name"]: (one["state"], one["connected"], one["lag"]) for one in told["subscribers"]}
        return {"scheduler", "controllers"} <= states.keys() and set(states.values()) == {("Ready", True, 0)}

    wait_for(caught_up, timeout_seconds=60, what="all subscribers caught up")


def test_a_tail_misses_nothing_while_the_api_server_and_the_bus_are_killed(plane: ControlPlane) -> None:
    start = plane.get("namespaces", "default")["metadata"]["resourceVersion"]
    args = ("subscribe", "audit-trail", "--create", "cm", "-l", "audited", "--start", start, "-o", "json")
    with Running(plane.kubeconfig, *args) as tailing:
        _make(plane, "a")
        assert names(tailing.frames(1)) == [("ADDED", "a")]
        pid = plane.kill("apiserver")
        plane.wait_restarted("apiserver", not_pid=pid)
        _make(plane, "b")
        assert names(tailing.frames(1)) == [("ADDED", "b")]
        pid = plane.kill("nats")
        _make(plane, "c")
        plane.wait_restarted("nats", not_pid=pid)
        _make(plane, "d")
        assert names(tailing.frames(2)) == [("ADDED", "c"), ("ADDED", "d")]
        ran = tailing.interrupt()
    assert (ran.code, ran.out) == (130, "")
    _make(plane, "e")
    with Running(plane.kubeconfig, "subscribe", "audit-trail", "-o", "json") as tailing:
        assert names(tailing.frames(1)) == [("ADDED", "e")]


def _make(plane: ControlPlane, name: str) -> None:
    """Label and all in one write."""
    manifest = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels: {{audited: 'yes'}}\n"
    plane.kubectl("create", "-f", "-", stdin=manifest)
