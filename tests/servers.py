"""Real redis-server and nats-server processes for tests: free ports, temporary folders, gone at the end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from broker.credentials import Trust, for_api_server
from deploy.servers import NatsServer, RedisServer, nats_binary, valkey_binary


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float = 15.0, what: str = "condition") -> None:
    """Poll until true. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not reached in {timeout_seconds} s")
        time.sleep(0.01)


class Process:
    """One server process that a test may kill and start again on the same data."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command = command
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of one that ended by itself; None while it runs, and where the test ended it. Negative: the signal."""
        return self._process.poll() if self._process is not None else None

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def start(self) -> None:
        self.spawn()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait(timeout=20)
        self._process = None


class Redis(Process):
    """An embedded Redis. `url` is what components take; with `admin_url` a test may do what they may not."""

    def __init__(self, directory: Path, *, binary: Path | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.socket_dir = Path(tempfile.mkdtemp(prefix="bb", dir="/tmp"))
        self.server = RedisServer(
            directory=directory,
            socket=self.socket_dir / "redis.sock",
            binary=binary or valkey_binary(),
            password="only for tests",
            more=("user admin on >admin ~* &* +@all",),
        )
        self.url = self.server.url
        self.login = self.url.removeprefix("unix://").partition("@")[0]
        self.admin_url = f"unix://admin:admin@{self.server.socket}"
        super().__init__(self.server.command(), directory / "redis.log")

    def start(self) -> None:
        self.server.write_config()
        self.server.socket.unlink(missing_ok=True)
        self.spawn()
        wait_until(self._answers, what="redis-server ready")

    def ask(self, *command: str | int) -> Any:
        """One command, as somebody who may do everything."""
        with redis.Redis.from_url(self.admin_url) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.server.socket))
                probe.sendall(b"AUTH admin admin\r\nPING\r\n")
                with probe.makefile("rb") as answers:
                    return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
            except OSError:
                return False

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.socket_dir, ignore_errors=True)


class Nats(Process):
    """An embedded nats-server. `url` holds the API server's credentials; `seed_file` signs for listeners."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.server = NatsServer(
            directory=directory / "jetstream",
            host="127.0.0.1",
            port=port or free_port(),
            trust=Trust.new(),
            binary=nats_binary(),
        )
        credentials = directory / "apiserver.creds"
        credentials.write_text(for_api_server(self.server.trust.control).text())
        self.seed_file = directory / "listeners.seed"
        self.seed_file.write_text(self.server.trust.listeners.seed)
        self.address = self.server.url
        self.url = f"{self.address}?credentials={credentials}"
        self.agent_url = self.url
        super().__init__(self.server.command(), directory / "nats.log")

    def start(self) -> None:
        self.server.write_config()
        self.spawn()
        wait_until(self._answers, what="nats-server ready")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            try:
                probe.connect((self.server.host, self.server.port))
                return probe.recv(64).startswith(b"INFO")
            except OSError:
                return False

    def lose_data(self) -> None:
        """Call while stopped: the disk is gone."""
        shutil.rmtree(self.server.directory)

    def close(self) -> None:
        self.kill()
