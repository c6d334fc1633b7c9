from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy import health
from deploy.health import Probe, State, of_file, stamp

STARTED = 1_000_000.0


def _write(path: Path, *, ready: bool, at: float, reason: str = "") -> Path:
    path.write_text(json.dumps({"ready": ready, "reason": reason, "time": stamp(at)}))
    return path


def test_a_process_that_says_it_is_ready_is_healthy(tmp_path: Path) -> None:
    file = _write(tmp_path / "h", ready=True, at=STARTED + 5)
    assert of_file(file, started_at=STARTED, now=STARTED + 6).ok


def test_a_process_that_is_not_ready_is_starting_and_says_why(tmp_path: Path) -> None:
    file = _write(tmp_path / "h", ready=False, at=STARTED + 5, reason="redis: away")
    found = of_file(file, started_at=STARTED, now=STARTED + 6)
    assert (found.state, found.reason) == (State.STARTING, "redis: away")


def test_a_process_that_fell_silent_is_unhealthy(tmp_path: Path) -> None:
    file = _write(tmp_path / "h", ready=True, at=STARTED + 5)
    found = of_file(file, started_at=STARTED, now=STARTED + 65)
    assert found.state is State.UNHEALTHY
    assert "no sign of life for 60 s" in found.reason


def test_a_process_that_never_spoke_is_starting_and_then_unhealthy(tmp_path: Path) -> None:
    assert of_file(tmp_path / "none", started_at=STARTED, now=STARTED + 1).state is State.STARTING
    assert of_file(tmp_path / "none", started_at=STARTED, now=STARTED + 60).state is State.UNHEALTHY


def test_what_an_earlier_life_said_is_not_believed(tmp_path: Path) -> None:
    file = _write(tmp_path / "h", ready=True, at=STARTED - 1)
    assert of_file(file, started_at=STARTED, now=STARTED + 1).state is State.STARTING


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"time": "yesterday"}', '{"time": 1}'])
def test_a_health_file_that_makes_no_sense_is_unhealthy_and_no_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "h").write_text(text)
    assert of_file(tmp_path / "h", started_at=STARTED, now=STARTED + 1).state is State.UNHEALTHY


@contextmanager
def _answering(listener: socket.socket, answer: bytes | None) -> Iterator[None]:
    """Answers one caller; None: accepts and says nothing."""
    done = threading.Event()

    def serve() -> None:
        caller, _ = listener.accept()
        with caller:
            if answer is not None:
                caller.sendall(answer)
            done.wait(10)

    listener.listen()
    thread = threading.Thread(target=serve, name="answering")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"+OK\r\n+PONG\r\n", State.HEALTHY),
        (b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", State.STARTING),
        (None, State.UNHEALTHY),
    ],
)
def test_redis_is_asked_over_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, state: State
) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    with _answering(listener, answer):
        assert Probe(redis=str(tmp_path / "s")).ask(started_at=time.time()).state is state


@pytest.mark.parametrize(("answer", "state"), [(b"INFO {}\r\n", State.HEALTHY), (None, State.UNHEALTHY)])
def test_nats_greets_by_itself(monkeypatch: pytest.MonkeyPatch, answer: bytes | None, state: State) -> None:
    monkeypatch.setattr(health, "ANSWER_SECONDS", 0.2)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    with _answering(listener, answer):
        assert Probe(nats=listener.getsockname()[1]).ask(started_at=time.time()).state is state


def test_a_server_that_is_not_there_is_starting(tmp_path: Path) -> None:
    found = Probe(redis=str(tmp_path / "none")).ask(started_at=time.time())
    assert found.state is State.STARTING
    assert "cannot connect" in found.reason
