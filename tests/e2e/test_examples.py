"""The examples as users run them: stopped in the middle, killed, and started again, on a real control plane."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.plane import ControlPlane, clean_environment, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
ROUNDS = 4
EACH = 12


class Example:
    """A running example and the lines that it printed so far."""

    def __init__(self, plane: ControlPlane, script: str, *args: str | Path) -> None:
        home = plane.data_dir.parent / "home"
        home.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / script), *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean_environment(), "KUBECONFIG": str(plane.kubeconfig), "HOME": str(home)},
        )
        self.lines: list[str] = []
        self.errors = ""
        self._readers = [threading.Thread(target=self._read_lines), threading.Thread(target=self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self.errors = self._process.stderr.read()

    @property
    def rvs(self) -> list[int]:
        return [int(line.split(" ", 1)[0]) for line in self.lines]

    @property
    def code(self) -> int | None:
        return self._process.poll()

    def wait_for(self, condition: Callable[[], bool], *, what: str) -> None:
        """Until it is so, or the example ended."""
        wait_for(lambda: self.code is not None or condition(), what=what)

    def wait_for_lines(self) -> None:
        self.wait_for(lambda: bool(self.lines), what="the first line")

    def end(self, number: signal.Signals) -> int:
        """Signal it, and return its exit code once all that it printed was read."""
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        code = self._process.wait(timeout=60)
        for reader in self._readers:
            reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        return code

    def __enter__(self) -> Example:
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("examples"), nodes=1, runtime="sim") as plane:
        yield plane


def _apply(plane: ControlPlane, manifest: str, name: str) -> None:
    plane.kubectl("delete", "subscription", name, "--ignore-not-found")
    applied = plane.kubectl("apply", "-f", str(EXAMPLES / manifest))
    assert f"/{name} created" in applied.out
    plane.kubectl("wait", "--for=condition=Ready", f"subscription/{name}", "--timeout=60s")


def _write(plane: ControlPlane, *names: str) -> list[int]:
    """ConfigMaps of these names in one go; their resourceVersions."""
    items = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n}, "data": {"name": n}} for n in names]
    text = "\n".join(json.dumps(item) for item in items)
    shown = plane.kubectl("create", "-o", 'jsonpath={.metadata.resourceVersion}{"\\n"}', "-f", "-", stdin=text)
    return [int(line) for line in shown.out.split()]


class Heard:
    """What was told over several lives of a subscriber that prints a change and then acknowledges it: whatever was
    printed before the last line of a life was acknowledged."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self._seen: set[int] = set()
        self._acknowledged: set[int] = set()

    def all_with(self, example: Example) -> bool:
        return self._seen | set(example.rvs) >= set(self.written)

    def take(self, example: Example) -> None:
        told = example.rvs
        assert told == sorted(set(told)), "in order, none twice"
        assert not self._acknowledged & set(told), "none after its acknowledgement"
        self._seen |= set(told)
        self._acknowledged |= set(told[:-1])


@pytest.mark.kubectl
@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("script", ["listen.py", "audit.py"])
def test_a_subscriber_that_is_killed_again_and_again_misses_nothing_and_repeats_nothing_acknowledged(
    plane: ControlPlane, script: str
) -> None:
    if script == "listen.py":
        pytest.importorskip("nkeys", reason="nats-py needs it for credentials; `make env` installs it")
    _apply(plane, "subscription.yaml", "audit-trail")
    args = () if script == "listen.py" else ("audit-trail",)
    heard = Heard()
    for number in range(ROUNDS):
        prefix = f"{script.partition('.')[0]}-{number}"
        heard.written += _write(plane, *(f"{prefix}-{one}" for one in range(EACH)))  # while it is away
        with Example(plane, script, *args) as example:
            example.wait_for_lines()
            heard.written += _write(plane, *(f"{prefix}-live-{one}" for one in range(EACH)))
            if number == ROUNDS - 1:
                example.wait_for(partial(heard.all_with, example), what="all changes")
            code = example.end(signal.SIGINT if number % 2 else signal.SIGKILL)
        heard.take(example)
        if number % 2:
            assert (code, example.errors) == (0, "")
    assert heard.all_with(example)


@pytest.mark.kubectl
@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("script", ["listen.py", "audit.py"])
def test_a_subscriber_outlives_the_broker(plane: ControlPlane, script: str) -> None:
    if script == "listen.py":
        pytest.importorskip("nkeys", reason="nats-py needs it for credentials; `make env` installs it")
    _apply(plane, "subscription.yaml", "audit-trail")
    heard = Heard()
    prefix = f"outage-{script.partition('.')[0]}"
    with Example(plane, script, *(() if script == "listen.py" else ("audit-trail",))) as example:
        heard.written += _write(plane, *(f"{prefix}-before-{one}" for one in range(EACH)))
        example.wait_for_lines()
        pid = plane.kill("nats")
        heard.written += _write(plane, *(f"{prefix}-meanwhile-{one}" for one in range(EACH)))
        plane.wait_restarted("nats", not_pid=pid)
        heard.written += _write(plane, *(f"{prefix}-after-{one}" for one in range(EACH)))
        example.wait_for(partial(heard.all_with, example), what="all changes")
        assert example.end(signal.SIGINT) == 0
    assert heard.all_with(example)


@pytest.mark.kubectl
@pytest.mark.xdist_group("examples")
def test_copies_are_right_after_the_copier_was_killed(plane: ControlPlane, tmp_path: Path) -> None:
    _write(plane, *(f"kept-{one}" for one in range(5)))
    _apply(plane, "inventory.yaml", "inventory")
    copies = tmp_path / "copies"
    for number in range(3):
        with Example(plane, "by_key.py", "inventory", copies) as example:
            example.wait_for_lines()
            _write(plane, *(f"new-{number}-{one}" for one in range(8)))
            plane.kubectl("delete", "configmap", f"kept-{number}", f"new-{number}-0")
            example.end(signal.SIGKILL)
        plane.kubectl("delete", "configmap", f"new-{number}-1")
    with Example(plane, "by_key.py", "inventory", copies) as example:
        example.wait_for(lambda: _copied(copies) == _present(plane), what="the copies")
        assert example.end(signal.SIGINT) == 0
        assert example.errors == ""
    assert _copied(copies) == _present(plane)


def _copied(copies: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in copies.glob("default.*.json")}


def _present(plane: ControlPlane) -> dict[str, str]:
    found = plane.get("configmaps", "-n", "default")["items"]
    return {f"default.{one['metadata']['name']}.json": json.dumps(one.get("data") or {}) for one in found}


@pytest.mark.kubectl
@pytest.mark.xdist_group("examples")
def test_a_count_begins_with_what_exists_each_time(plane: ControlPlane) -> None:
    _apply(plane, "inventory.yaml", "inventory")
    _write(plane, "counted-a", "counted-b")
    for _ in range(2):
        there = len(plane.get("configmaps", "-n", "default")["items"])
        with Example(plane, "snapshot_then_follow.py", "inventory") as example:
            example.wait_for(partial(_counts, example, there), what="all that exist")
            plane.kubectl("delete", "configmap", "counted-a")
            example.wait_for(partial(_counts, example, there - 1), what="one less")
            assert example.end(signal.SIGINT) == 0
            assert example.errors == ""
        _write(plane, "counted-a")


def _counts(example: Example, wanted: int) -> bool:
    return bool(example.lines) and int(example.lines[-1].split()[1]) == wanted


@pytest.mark.kubectl
@pytest.mark.xdist_group("examples")
def test_the_past_is_read_again(plane: ControlPlane) -> None:
    written = _write(plane, "past-a", "past-b")
    with Example(plane, "replay.py", "10m", "configmaps") as example:
        wait_for(lambda: example.code is not None, what="its end")
        assert example.end(signal.SIGKILL) == 0
    assert set(written) <= set(example.rvs)
    assert " admin ADDED configmaps/default/past-b" in "\n".join(example.lines)
