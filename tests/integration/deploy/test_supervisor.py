"""Keeping real processes running, with small programs in place of the parts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deploy import supervisor
from deploy.child import LOG_KEEP_BYTES, Child, open_log
from deploy.health import Probe
from deploy.identity import birth, is_same
from deploy.plan import Spec, Tier, program
from deploy.supervisor import Supervisor
from tests.conftest import eventually

Start = Callable[..., Child]


class Kept:
    """A supervisor and what it told."""

    def __init__(self, logs: Path) -> None:
        self.changes: list[tuple[str, bool]] = []
        self.supervisor = Supervisor(logs=logs, on_change=self._note)

    def _note(self, child: Child) -> None:
        self.changes.append((child.spec.name, child.pid != 0))

    def start(self, name: str, code: str, *, tier: Tier = Tier.AGENT) -> Child:
        """`code` is Python; it is running once it has printed something."""
        spec = Spec(name, tier, (sys.executable, "-u", "-c", code), Probe(file="/nonexistent"))
        self.supervisor.start([spec])
        return self.supervisor.children[-1]

    async def stop(self) -> None:
        for tier in Tier:
            await self.supervisor.stop_tier(tier)


@pytest_asyncio.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path)
    yield kept
    await kept.stop()


SLEEP = "import time; print('up'); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(600)"


async def _up(child: Child, times: int = 1) -> None:
    await eventually(lambda: child.log.exists() and child.log.read_text().count("up") >= times, what="the process up")


async def test_a_process_that_is_killed_is_started_again(kept: Kept) -> None:
    child = kept.start("a", SLEEP)
    await _up(child)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    await _up(child, times=2)
    assert child.pid != first
    assert (child.restarts, child.last_exit) == (1, "killed by SIGKILL")


async def test_a_process_that_ends_by_itself_is_started_again_and_again(kept: Kept) -> None:
    child = kept.start("a", "print('up'); raise SystemExit(3)")
    await _up(child, times=3)
    assert child.restarts >= 2
    assert child.last_exit == "exit code 3"


async def test_the_state_names_the_process_that_runs_now(kept: Kept) -> None:
    child = kept.start("a", SLEEP)
    await _up(child)
    assert is_same(child.state.pid, child.state.born)
    assert kept.changes == [("a", True)]


async def test_a_process_that_does_not_end_is_killed_after_its_grace(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(supervisor.GRACE_SECONDS, Tier.AGENT, 0.2)
    child = kept.start("a", STUBBORN)
    await _up(child)
    pid, born = child.pid, child.state.born
    await kept.supervisor.stop_tier(Tier.AGENT)
    assert not is_same(pid, born)
    assert child.last_exit == "killed by SIGKILL"


async def test_a_process_that_was_stopped_by_a_signal_is_killed_too(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(supervisor.GRACE_SECONDS, Tier.AGENT, 0.2)
    child = kept.start("a", SLEEP)
    await _up(child)
    os.kill(child.pid, signal.SIGSTOP)
    pid, born = child.pid, child.state.born
    await kept.supervisor.stop_tier(Tier.AGENT)
    assert not is_same(pid, born)


async def test_a_tier_ends_while_the_others_run_on(kept: Kept) -> None:
    agent, record = kept.start("agent", SLEEP), kept.start("record", SLEEP, tier=Tier.RECORD)
    await _up(agent)
    await _up(record)
    await kept.supervisor.stop_tier(Tier.AGENT)
    assert agent.pid == 0
    assert is_same(record.pid, record.state.born)


async def test_nothing_is_started_again_once_it_was_stopped(kept: Kept) -> None:
    child = kept.start("a", "print('up')")  # it is between two lives most of the time
    await _up(child, times=4)
    await kept.supervisor.stop_tier(Tier.AGENT)
    assert "keep-a" not in {task.get_name() for task in asyncio.all_tasks()}
    assert child.pid == 0


async def test_a_stop_at_the_moment_of_the_start_leaves_nothing(kept: Kept) -> None:
    child = kept.start("a", STUBBORN)
    began = time.monotonic()
    await asyncio.gather(kept.supervisor.stop_tier(Tier.AGENT))
    assert time.monotonic() - began < 2
    assert child.pid == 0


async def test_what_a_process_leaves_in_its_group_ends_with_it(kept: Kept) -> None:
    helper = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); print(p.pid)"
    child = kept.start("a", f"{helper}; {SLEEP}")
    await _up(child)
    left = int(child.log.read_text().split()[0])
    born = birth(left)
    os.kill(child.pid, signal.SIGKILL)
    await eventually(lambda: not is_same(left, born), what="the helper's end")


async def test_a_program_that_cannot_be_started_is_tried_again(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "a.log").mkdir()
    child = kept.start("a", SLEEP)
    await eventually(lambda: child.restarts >= 2, what="two tries")
    assert child.last_exit.startswith("cannot be started")
    (tmp_path / "a.log").rmdir()
    await _up(child)


def test_a_long_log_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    with log.open("wb") as out:
        out.truncate(LOG_KEEP_BYTES + 1)
    with open_log(log) as out:
        out.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "a.log.1").stat().st_size == LOG_KEEP_BYTES + 1


LEASHED = """
import subprocess, sys, os, time
from deploy.plan import Tier, program
from deploy.health import Probe
spec = program("x", Tier.BUS, [sys.executable, "-c", "import time; time.sleep(600)"], Probe(), supervisor=os.getpid())
print(subprocess.Popen(spec.command, start_new_session=True).pid, flush=True)
time.sleep(600)
"""
WATCHED = """
import os, subprocess, sys, time
code = ("import os, sys; from deploy.leash import watch_from_aside; watch_from_aside(int(sys.argv[1])); "
        "os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)'])")
print(subprocess.Popen([sys.executable, "-c", code, str(os.getpid())], start_new_session=True).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("code", [LEASHED, WATCHED], ids=["by the kernel", "by a watcher, where the kernel does not"])
def test_a_child_does_not_outlive_a_killed_supervisor(code: str) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        born = birth(child)
        assert born
        parent.kill()
    deadline = time.monotonic() + 10
    while is_same(child, born):
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.05)


def test_a_child_whose_supervisor_is_gone_already_does_not_begin() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    spec = program("x", Tier.BUS, [sys.executable, "-c", "print('began')"], Probe(), supervisor=gone.pid)
    done = subprocess.run(spec.command, capture_output=True, check=False, timeout=30)
    assert done.stdout == b""
    assert done.returncode != 0


def test_a_program_that_is_missing_is_named() -> None:
    spec = program("x", Tier.BUS, ["/nonexistent/nats-server"], Probe(), supervisor=os.getpid())
    done = subprocess.run(spec.command, capture_output=True, text=True, check=False, timeout=30)
    assert "cannot run /nonexistent/nats-server: No such file" in done.stderr
