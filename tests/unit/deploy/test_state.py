from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.errors import AlreadyRunning
from deploy.health import Probe
from deploy.identity import birth, is_same
from deploy.state import Lock, PlaneState, ProcessState, holder_of, is_held, read_state, write_state


def test_what_was_written_is_read(tmp_path: Path) -> None:
    process = ProcessState("redis", Probe(redis="/s"), pid=7, born="b:1", started_at=1.5, restarts=2, last_exit="x")
    state = PlaneState(1, "ready", "https://127.0.0.1:1", 1.0, (process,))
    write_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json") == state


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"processes": [{}]}', "null"])
def test_a_state_that_makes_no_sense_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path / "state.json") is None


def test_the_second_to_take_a_lock_is_told_who_has_it(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    lock.acquire()
    try:
        with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}\).*backbeat down"):
            Lock(tmp_path / "lock").acquire()
        holder = holder_of(tmp_path / "lock")
        assert holder is not None
        assert is_same(holder.pid, holder.born)
    finally:
        lock.release()
    assert holder_of(tmp_path / "lock") is None


def test_a_lock_is_free_once_its_holder_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from deploy.state import Lock\n"
        f"Lock(Path({str(tmp_path / 'lock')!r})).acquire(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert is_held(tmp_path / "lock")
        process.kill()
    assert not is_held(tmp_path / "lock")
    lock = Lock(tmp_path / "lock")
    lock.acquire()
    lock.release()


def test_one_who_only_looks_does_not_keep_the_lock_from_being_taken(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    for _ in range(50):
        lock.acquire()
        assert is_held(tmp_path / "lock")
        lock.release()
        assert not is_held(tmp_path / "lock")


def test_a_process_that_ended_is_not_the_one_it_was() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        born = birth(process.pid)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_same(process.pid, born)  # it ended, though nobody has waited for it
    assert not is_same(process.pid, born)
    assert is_same(os.getpid(), birth(os.getpid()))
    assert not is_same(0, "")
