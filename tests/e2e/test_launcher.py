"""`backbeat up`, `status` and `down` as users run them, on real parts."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy import status
from deploy.datadir import DataDir
from deploy.identity import birth, is_same
from tests.plane import ControlPlane, backbeat, clean_environment, kubectl_binary, processes_of, run, wait_for
from tests.servers import Nats, Redis

WEB = Path(__file__).parents[2] / "examples" / "web.yaml"
PARTS = ["redis", "nats", "apiserver", "scheduler", "controllers", "kubelet-node-1", "kubelet-node-2"]
END_SECONDS = 10.0
READY_SECONDS = 120.0


def _gone(data_dir: Path) -> bool:
    return not processes_of(data_dir)


def _healthy(plane: ControlPlane) -> bool:
    return all(process["health"] == "healthy" for process in plane.status()["processes"])


def _ready_pods(plane: ControlPlane) -> list[dict[str, Any]]:
    pods = plane.get("pods", "-l", "app=web")["items"]
    return [pod for pod in pods if any(s["ready"] for s in pod["status"].get("containerStatuses", ()))]


def _uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def _restarts(pods: list[dict[str, Any]]) -> list[int]:
    return sorted(status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"])


def _run_web(plane: ControlPlane) -> set[str]:
    """Three pods that answer; their uids."""
    plane.kubectl("apply", "-f", str(WEB))
    wait_for(lambda: len(_ready_pods(plane)) == 3, timeout_seconds=READY_SECONDS, what="three ready pods")
    return _uids(_ready_pods(plane))


def test_up_returns_once_every_node_is_ready_and_down_leaves_nothing(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        found = plane.status()["processes"]
        assert [(p["name"], p["health"], p["lastExit"]) for p in found] == [(name, "healthy", None) for name in PARTS]
        assert all(psutil.pid_exists(process["pid"]) for process in found)
        assert plane.kubectl("get", "nodes", "--no-headers").out.count(" Ready ") == 2
        assert stat.S_IMODE(plane.kubeconfig.stat().st_mode) == 0o600
        assert backbeat("status", f"--data-dir={plane.data_dir}").out.count("healthy") == len(PARTS)
        began = time.monotonic()
        plane.down()
        assert time.monotonic() - began < END_SECONDS + 2
        assert processes_of(plane.data_dir) == []
        refused = backbeat("status", f"--data-dir={plane.data_dir}")
        assert refused.code != 0
        assert "backbeat up" in refused.err


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """For tests that leave it as it was. They stand in one group, so that one worker starts it once."""
    with ControlPlane(tmp_path_factory.mktemp("shared"), nodes=1) as plane:
        yield plane


@pytest.mark.xdist_group("launcher")
def test_no_password_and_no_token_is_shown_by_ps(shared: ControlPlane) -> None:
    shown = "\n".join(" ".join(process.cmdline()) for process in shared.processes())
    tokens = [line.split(",")[0] for line in (shared.data_dir / "tokens.csv").read_text().splitlines()]
    seeds = list(json.loads((shared.data_dir / "nats-trust.json").read_text()).values())
    assert len(tokens) == 4
    assert len(seeds) == 4
    assert [secret for secret in (*tokens, *seeds) if secret in shown] == []


@pytest.mark.xdist_group("launcher")
def test_a_second_up_on_the_same_data_dir_is_refused_and_harms_nothing(shared: ControlPlane) -> None:
    before = shared.status()["processes"]
    for extra in (("--detach",), ()):
        refused = backbeat("up", "--port=0", f"--data-dir={shared.data_dir}", *extra)
        assert refused.code != 0
        assert "already" in refused.out
        assert "backbeat down" in refused.out
    assert [p["pid"] for p in shared.status()["processes"]] == [p["pid"] for p in before]


@pytest.mark.xdist_group("launcher")
@pytest.mark.kubectl
def test_the_admin_certificate_authenticates_too(shared: ControlPlane, tmp_path: Path) -> None:
    pki = shared.data_dir / "pki"
    config = tmp_path / "without-token"
    config.write_text(re.sub("token: .*", "username: nobody", shared.kubeconfig.read_text()))
    command = [str(kubectl_binary()), f"--kubeconfig={config}"]
    certificate = (f"--client-certificate={pki / 'admin.crt'}", f"--client-key={pki / 'admin.key'}")
    assert run([*command, "get", "namespaces"]).code != 0
    assert run([*command, *certificate, "get", "namespaces"]).code == 0


@pytest.mark.xdist_group("launcher")
def test_a_process_that_hangs_is_shown_as_unhealthy(shared: ControlPlane) -> None:
    pids = [shared.kill(name, signal.SIGSTOP) for name in ("controllers", "redis", "nats")]
    for name in ("redis", "nats", "controllers"):
        wait_for(lambda n=name: shared.process(n)["health"] == "unhealthy", what=f"{name} unhealthy")  # type: ignore[misc]
    assert "no sign of life" in shared.process("controllers")["reason"]
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: _healthy(shared), what="all healthy again")


def test_each_part_that_is_killed_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        plane.kubectl("create", "configmap", "kept", "--from-literal=a=b")
        killed = {name: plane.kill(name) for name in PARTS}
        for name, pid in killed.items():
            plane.wait_restarted(name, not_pid=pid)
        assert {process["restarts"] >= 1 for process in plane.status()["processes"]} == {True}
        assert plane.get("configmap", "kept")["data"] == {"a": "b"}
        wait_for(
            lambda: plane.kubectl("get", "nodes", "--no-headers").out.count(" Ready ") == 2, what="both nodes Ready"
        )


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        refused = backbeat("up", "--detach", f"--port={port}", f"--data-dir={tmp_path / 'plane'}")
    assert refused.code != 0
    assert f"port {port} of 127.0.0.1 is in use" in refused.out
    assert "--port 0" in refused.out
    assert _gone(tmp_path / "plane")


def test_a_file_that_cannot_be_used_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "plane" / "tokens.csv").mkdir(parents=True)
    failed = backbeat("up", "--detach", "--port=0", f"--data-dir={tmp_path / 'plane'}")
    assert failed.code != 0
    assert f"error: {tmp_path / 'plane' / 'tokens.csv'}: Is a directory" in failed.out
    assert "Traceback" not in failed.out + failed.err
    assert _gone(tmp_path / "plane")


def test_what_does_not_get_ready_in_time_is_told_and_stopped(tmp_path: Path) -> None:
    with socket.socket() as silent:  # it takes connections, and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nats = f"--nats=nats://127.0.0.1:{silent.getsockname()[1]}"
        failed = backbeat("up", "--detach", "--port=0", "--timeout=3", nats, f"--data-dir={tmp_path / 'plane'}")
    assert failed.code != 0
    assert "not ready within 3 s: " in failed.out
    assert "kubelet-node-1: " in failed.out
    assert _gone(tmp_path / "plane")


def test_a_start_on_the_same_data_dir_finds_everything_as_it_was(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        uids = _run_web(plane)
        server, kubeconfig = plane.status()["server"], plane.kubeconfig.read_text()
        plane.down()
        assert processes_of(plane.data_dir) == []
        plane.up()
        assert plane.status()["server"] == server
        assert plane.kubeconfig.read_text() == kubeconfig
        wait_for(lambda: _restarts(_ready_pods(plane)) == [1, 1, 1], timeout_seconds=READY_SECONDS, what="pods back")
        assert _uids(_ready_pods(plane)) == uids


def test_two_run_side_by_side_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    with ControlPlane(tmp_path / "a", nodes=1) as one, ControlPlane(tmp_path / "b", nodes=1) as other:
        assert one.status()["server"] != other.status()["server"]
        one.kubectl("create", "configmap", "mine")
        assert other.kubectl("get", "configmap", "mine", check=False).code != 0
        one.down()
        assert _healthy(other)


def test_containers_outlive_a_killed_supervisor_and_the_next_start_takes_them_over(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        uids = _run_web(plane)
        children = [(p["pid"], birth(p["pid"])) for p in plane.status()["processes"]]
        containers = _containers(plane)
        os.kill(plane.status()["pid"], signal.SIGKILL)
        wait_for(lambda: not any(is_same(*child) for child in children), what="the end of all parts")
        assert backbeat("status", f"--data-dir={plane.data_dir}").code != 0
        plane.up()
        wait_for(lambda: len(_ready_pods(plane)) == 3, timeout_seconds=READY_SECONDS, what="three ready pods")
        assert _uids(_ready_pods(plane)) == uids
        assert _restarts(_ready_pods(plane)) == [0, 0, 0]
        assert _containers(plane) == containers


def _containers(plane: ControlPlane) -> set[int]:
    return {p.pid for p in plane.processes() if "http.server" in " ".join(p.cmdline())}


def test_down_cleans_up_after_a_killed_supervisor(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        _run_web(plane)
        os.kill(plane.status()["pid"], signal.SIGKILL)
        wait_for(lambda: backbeat("status", f"--data-dir={plane.data_dir}").code != 0, what="the supervisor's end")
        assert len(_containers(plane)) == 3
        plane.down()
        assert processes_of(plane.data_dir) == []


def test_fewer_nodes_than_before_leave_no_containers_of_the_others(tmp_path: Path) -> None:
    with ControlPlane(tmp_path) as plane:
        _run_web(plane)
        os.kill(plane.status()["pid"], signal.SIGKILL)
        wait_for(lambda: backbeat("status", f"--data-dir={plane.data_dir}").code != 0, what="the supervisor's end")
        fewer = ControlPlane(tmp_path, nodes=1)
        fewer.up()
        assert fewer.names == [name for name in PARTS if name != "kubelet-node-2"]
        assert not [p for p in fewer.processes() if "nodes/node-2" in p.environ().get("HOME", "")]


@contextmanager
def _foreground(data_dir: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    """`backbeat up`, ready. Killed at the end if it is still there."""
    command = [sys.executable, "-P", "-m", "deploy.cli", "up", "--port=0", f"--data-dir={data_dir}", *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        assert process.stdout is not None
        try:
            said = ""
            while "export KUBECONFIG=" not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}"
                said += line
            yield process
        finally:
            process.kill()
            process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_foreground_and_its_containers_in_time(tmp_path: Path, number: signal.Signals) -> None:
    data_dir = tmp_path / "backbeat"
    with _foreground(data_dir, f"--timeout={READY_SECONDS}") as process:
        _run_web(ControlPlane(tmp_path))
        process.send_signal(number)
        assert process.wait(END_SECONDS) == 0
        assert processes_of(data_dir) == []


def test_hard_containers_and_a_hanging_part_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with _foreground(tmp_path / "backbeat", "--nodes=1", f"--timeout={READY_SECONDS}") as process:
        plane = ControlPlane(tmp_path)
        plane.kubectl("apply", "-f", "-", stdin=STUBBORN)
        wait_for(
            lambda: plane.get("pod", "stubborn")["status"].get("phase") == "Running",
            timeout_seconds=READY_SECONDS,
            what="the pod to run",
        )
        for name in ("kubelet-node-1", "controllers", "apiserver"):
            plane.kill(name, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        assert process.wait(END_SECONDS) == 0
        assert processes_of(plane.data_dir) == []


STUBBORN = """
apiVersion: v1
kind: Pod
metadata: {name: stubborn}
spec:
  terminationGracePeriodSeconds: 600
  containers:
    - name: main
      image: none
      command: [sh, -c, "trap '' TERM INT; while true; do sleep 1; done"]
"""


def test_ctrl_c_in_a_terminal_ends_it_in_order(tmp_path: Path) -> None:
    data_dir = tmp_path / "backbeat"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-P", "-m", "deploy.cli", "up", "--port=0", "--nodes=1", f"--data-dir={data_dir}"]
    said: list[bytes] = []
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=clean_environment(),
        preexec_fn=_take_terminal,
    ) as process:  # fmt: skip
        os.close(theirs)
        reader = threading.Thread(target=_read, args=(ours, said), name="terminal")
        reader.start()
        wait_for(lambda: b"export KUBECONFIG=" in b"".join(said), timeout_seconds=READY_SECONDS, what="ready")
        os.write(ours, b"\x03")
        assert process.wait(END_SECONDS + 2) == 0
        reader.join(5)
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", b"".join(said).decode())
    assert "✓ redis" in text
    assert "Traceback" not in text
    assert processes_of(data_dir) == []


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(descriptor: int, into: list[bytes]) -> None:
    """Until the other end is closed, which a terminal tells as an error."""
    while True:
        try:
            data = os.read(descriptor, 4096)
        except OSError:
            return
        if not data:
            return
        into.append(data)


def test_a_terminal_that_is_closed_ends_it(tmp_path: Path) -> None:
    with _foreground(tmp_path / "backbeat", "--nodes=0") as process:
        process.send_signal(signal.SIGHUP)
        assert process.wait(END_SECONDS) == 0
        assert processes_of(tmp_path / "backbeat") == []


def test_of_two_that_start_at_once_on_one_data_dir_one_runs(tmp_path: Path) -> None:
    data_dir = tmp_path / "backbeat"
    command = [sys.executable, "-P", "-m", "deploy.cli", "up", "--detach", "--port=0", "--nodes=0"]
    command += [f"--data-dir={data_dir}", f"--timeout={READY_SECONDS}"]
    starts = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) for _ in range(2)]
    said = [start.communicate(timeout=READY_SECONDS + 30)[0] for start in starts]
    try:
        assert sorted(start.returncode for start in starts) == [0, 1], said
        assert sum("already" in text for text in said) == 1
        assert {p["health"] for p in ControlPlane(tmp_path).status()["processes"]} == {"healthy"}
    finally:
        ControlPlane(tmp_path).down()


def test_a_supervisor_that_hangs_is_killed_by_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "DOWN_SECONDS", 0.5)
    with ControlPlane(tmp_path, nodes=0) as plane:
        os.kill(plane.status()["pid"], signal.SIGSTOP)
        assert "killed" in status.down(DataDir.at(plane.data_dir))
        assert processes_of(plane.data_dir) == []


def test_an_interrupted_detach_leaves_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "backbeat"
    command = [sys.executable, "-P", "-m", "deploy.cli", "up", "--detach", "--port=0", f"--data-dir={data_dir}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(END_SECONDS + 2) != 0
    wait_for(lambda: _gone(data_dir), what="the end of all")


def test_a_deep_data_dir_has_its_socket_elsewhere_and_takes_it_along(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    with ControlPlane(deep, nodes=0) as plane:
        plane.kubectl("create", "configmap", "kept")
        short = DataDir.at(plane.data_dir).redis_socket
        assert short.is_socket()
        assert not short.is_relative_to(tmp_path)
        plane.down()
        plane.up()
        plane.kubectl("get", "configmap", "kept")
        plane.down()
        assert processes_of(plane.data_dir) == []
        assert not short.parent.exists()


def test_a_redis_and_a_nats_of_the_users_own(tmp_path: Path, redis_server: Redis, nats_server: Nats) -> None:
    env = {"BACKBEAT_REDIS_URL": redis_server.url, "BACKBEAT_NATS_URL": nats_server.url}
    with ControlPlane(tmp_path, nodes=1, env=env) as plane:
        assert plane.names == ["apiserver", "scheduler", "controllers", "kubelet-node-1"]
        plane.kubectl("create", "configmap", "kept")
        assert b"configmaps" in (tmp_path / "redis" / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()


def test_a_server_of_the_users_own_that_is_away_is_named(tmp_path: Path) -> None:
    refused = backbeat("up", "--redis=redis://:secret@127.0.0.1:1", f"--data-dir={tmp_path / 'plane'}", "--port=0")
    assert refused.code != 0
    assert "cannot reach Redis: 127.0.0.1:1: Connection refused" in refused.out
    assert "secret" not in refused.out + refused.err


def test_one_process_simulates_all_nodes(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=20, runtime="sim") as plane:
        assert plane.names == ["redis", "nats", "apiserver", "scheduler", "controllers", "kubelets"]
        assert plane.kubectl("get", "nodes", "--no-headers").out.count(" Ready ") == 20


def test_a_part_that_is_started_by_hand_joins_and_ends_when_told(tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=0) as plane:
        settings = json.loads((plane.data_dir / "settings.json").read_text())
        nats = f"nats://127.0.0.1:{settings['nats_port']}?credentials={plane.data_dir / 'nats-apiserver.creds'}"
        command = [sys.executable, "-P", "-m", "deploy.cli", "kubelet", "--node=extra", "--runtime=sim"]
        command += [f"--root-dir={tmp_path / 'extra'}", f"--kubeconfig={plane.kubeconfig}"]
        with (tmp_path / "log").open("wb") as log:
            kubelet = subprocess.Popen(command, stderr=log, env={**clean_environment(), "BACKBEAT_NATS_URL": nats})
        try:
            nodes = ("get", "node", "extra", "--no-headers", "--ignore-not-found")
            wait_for(lambda: " Ready " in plane.kubectl(*nodes).out, what="the node to be Ready")
            kubelet.terminate()
            assert kubelet.wait(20) == 0
        finally:
            kubelet.kill()
            kubelet.wait()
        assert "Traceback" not in (tmp_path / "log").read_text()


def test_down_where_nothing_runs_says_so(tmp_path: Path) -> None:
    ran = backbeat("down", f"--data-dir={tmp_path / 'none'}")
    assert ran.code == 0
    assert "does not run" in ran.out
    assert not (tmp_path / "none").exists()
