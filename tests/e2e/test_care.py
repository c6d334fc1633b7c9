"""Backup, restore, doctor, repair and the change of a key on whole control planes, with everything at work."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plane import ControlPlane, Ran, backbeat, clean_environment, wait_for

pytestmark = pytest.mark.kubectl


def care(plane: ControlPlane, *args: str | Path) -> Ran:
    return backbeat(*args, f"--data-dir={plane.data_dir}")


def well(plane: ControlPlane) -> None:
    wait_for(lambda: care(plane, "doctor").code == 0, what="the doctor to find everything well")


def running(plane: ControlPlane) -> list[str]:
    pods = plane.get("pods")["items"]
    return sorted(pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") == "Running")


def restarts(plane: ControlPlane) -> dict[str, int]:
    return {process["name"]: process["restarts"] for process in plane.status()["processes"]}


def secret_of(plane: ControlPlane) -> Any:
    return plane.get("secret", "password")["data"]


def test_a_cluster_is_restored_into_a_new_control_plane_and_goes_on_there(tmp_path: Path) -> None:
    file = tmp_path / "monday.backup"
    with ControlPlane(tmp_path / "one", nodes=2, runtime="sim") as one:
        one.kubectl("create", "deployment", "web", "--image=web", "--replicas=4")
        one.kubectl("create", "secret", "generic", "password", "--from-literal=p=hunter2")
        subscription = {"metadata": {"name": "audit"}, "spec": {"resources": [{"resource": "configmaps"}]}}
        path = "/apis/broker.backbeat.dev/v1/subscriptions"
        one.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(subscription))
        wait_for(lambda: len(running(one)) == 4, what="four pods")
        well(one)
        made = care(one, "backup", file, "-o", "json")
        assert made.code == 0, made.err
        pods, secret = running(one), secret_of(one)
        keys = (one.data_dir / "secrets.keys").read_bytes()
        uids = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in one.get("pods")["items"]}

    with ControlPlane(tmp_path / "two", nodes=2, runtime="sim") as two:
        (two.data_dir / "secrets.keys").write_bytes(keys)
        restored = care(two, "restore", file)
        assert restored.code == 0, restored.err
        assert restored.out.startswith(f"Restored resourceVersion {made.json['resourceVersion']}: ")
        wait_for(lambda: set(pods) <= set(running(two)), what="the pods of then")
        assert {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in two.get("pods")["items"]} == uids
        assert secret_of(two) == secret
        wait_for(
            lambda: all(restarts(two)[name] for name in ("scheduler", "controllers", "kubelets")), what="new lives"
        )
        two.kubectl("scale", "deployment", "web", "--replicas=6")
        wait_for(lambda: len(running(two)) == 6, what="six pods")
        well(two)
        listed = two.kubectl("get", "--raw", path).json["items"]
        assert {"audit", "scheduler", "controllers"} <= {one["metadata"]["name"] for one in listed}
        refused = care(two, "restore", file)
        assert refused.code == 1
        assert "1 deployments.apps" in refused.err


def test_an_old_redis_is_waited_for_until_it_is_repaired(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=1, runtime="sim") as plane:
        plane.kubectl("create", "configmap", "before")
        plane.down()
        shutil.copytree(plane.data_dir / "redis", tmp_path / "old-redis")
        plane.up()
        plane.kubectl("create", "configmap", "after")
        well(plane)
        plane.down()
        shutil.rmtree(plane.data_dir / "redis")
        shutil.copytree(tmp_path / "old-redis", plane.data_dir / "redis")

        command = [
            sys.executable,
            "-P",
            "-m",
            "deploy.cli",
            "up",
            "--port=0",
            "--nodes=1",
            "--runtime=sim",
            "--timeout=20",
        ]
        log = tmp_path / "up.log"
        with log.open("wb") as out:
            up = subprocess.Popen(
                [*command, f"--data-dir={plane.data_dir}"], stdout=out, stderr=out, env=clean_environment()
            )
        try:
            wait_for(lambda: "`backbeat repair` says what can be done" in log.read_text(), what="the reason to be told")
            plan = care(plane, "repair")
            assert plan.code == 1
            assert "are applied to Redis, under the same numbers" in plan.out
            done = care(plane, "repair", "--yes")
            assert done.code == 0, done.err
            wait_for(lambda: "backbeat is up" in log.read_text(), what="everything to be ready")
            plane.kubectl("get", "configmap", "before", "after")
            well(plane)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)


def test_the_key_of_secrets_is_changed_while_all_runs(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=0) as plane:
        plane.kubectl("create", "secret", "generic", "password", "--from-literal=p=hunter2")
        secret = secret_of(plane)
        file = plane.data_dir / "secrets.keys"
        [old] = file.read_text().split()
        ran = care(plane, "secrets", "rotate")
        assert ran.code == 0, ran.err
        assert ran.out.startswith("1 Secrets were sealed anew with the key ")
        new, kept = file.read_text().split()
        assert kept == old != new
        file.write_text(new + "\n")
        plane.down()
        plane.up()
        assert secret_of(plane) == secret
        assert care(plane, "doctor").code == 0
