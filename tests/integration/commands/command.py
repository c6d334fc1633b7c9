"""The command `backbeat` as users run it: a process with a kubeconfig, whose output is read while it runs."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.plane import Ran, clean_environment, run

LINE_SECONDS = 60.0
"""Until a line comes. Starting a Python takes a while on a machine that is busy with other tests."""


def backbeat(kubeconfig: Path, *args: str, **options: Any) -> Ran:
    """Run to the end."""
    return run([*_PROGRAM, *args], env={"KUBECONFIG": str(kubeconfig)}, **options)


_PROGRAM = (sys.executable, "-P", "-m", "deploy.cli")


class Running:
    """A command that goes on until it is ended; its output is read from the first question for a line on. As a context
    it is gone at the end."""

    def __init__(self, kubeconfig: Path, *args: str) -> None:
        self._process = subprocess.Popen(
            [*_PROGRAM, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**clean_environment(), "KUBECONFIG": str(kubeconfig)},
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _start_reading(self) -> None:
        if self._reader.ident is None:
            self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def line(self) -> str:
        """The next one."""
        self._start_reading()
        found = self._lines.get(timeout=LINE_SECONDS)
        if found is None:
            raise AssertionError(f"the command ended: {self.wait().err}")
        return found

    def lines(self, count: int) -> list[str]:
        return [self.line() for _ in range(count)]

    def frames(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(count)]

    def interrupt(self) -> Ran:
        """As Ctrl-C does. Returns what it said after what was read, once it has ended."""
        return self.end(signal.SIGINT)

    def end(self, number: signal.Signals) -> Ran:
        os.kill(self._process.pid, number)
        return self.wait()

    def wait(self) -> Ran:
        self._start_reading()
        code = self._process.wait(timeout=LINE_SECONDS)
        self._reader.join(timeout=LINE_SECONDS)
        rest: list[str] = []
        while not self._lines.empty() and (line := self._lines.get_nowait()) is not None:
            rest.append(line)
        assert self._process.stderr is not None
        return Ran(code, "\n".join(rest), self._process.stderr.read())

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._start_reading()
        self._reader.join(timeout=LINE_SECONDS)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def names(frames: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """(type, name)."""
    return [(frame["type"], frame["object"]["metadata"]["name"]) for frame in frames]
