"""What the commands show on a terminal: colours, and a table that lives."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.integration.rest.client import Client, config_map, path_of
from tests.plane import clean_environment

SECONDS = 60.0


class Terminal:
    """A command on a pseudo-terminal of 200 columns."""

    def __init__(self, kubeconfig: Path, *args: str) -> None:
        self._master, slave = pty.openpty()
        environment = {**clean_environment(), "KUBECONFIG": str(kubeconfig), "TERM": "xterm-256color", "COLUMNS": "200"}
        environment.pop("NO_COLOR", None)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.cli", *args],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def until(self, text: str) -> None:
        """Read until it is shown after what was read before."""
        deadline = time.monotonic() + SECONDS
        seen = ""
        while text not in seen:
            assert time.monotonic() < deadline, self.shown
            seen += os.read(self._master, 65536).decode()
        self.shown += seen

    def interrupt(self) -> int:
        os.kill(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout=SECONDS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@contextmanager
def _terminal(kubeconfig: Path, *args: str) -> Iterator[Terminal]:
    terminal = Terminal(kubeconfig, *args)
    try:
        yield terminal
    finally:
        terminal.close()


def test_lag_lives_on_a_terminal_and_ends_without_a_word(kubeconfig: Path, api: Client, ns: str) -> None:
    spec = {"resources": [{"resource": "configmaps"}], "namespace": ns}
    api.make("/apis/broker.backbeat.dev/v1/subscriptions", {"metadata": {"name": ns}, "spec": spec})
    with _terminal(kubeconfig, "lag") as terminal:
        terminal.until(f"configmaps in {ns}")
        rv = api.make(path_of(ns, "configmaps"), config_map("a"))["metadata"]["resourceVersion"]
        terminal.until(f"resourceVersion {rv}")
        assert terminal.interrupt() == 130
        assert "Traceback" not in terminal.shown


def test_types_and_differences_are_coloured_on_a_terminal(kubeconfig: Path, api: Client, ns: str) -> None:
    api.make(path_of(ns, "configmaps"), config_map("a", key="old"))
    api.patch(path_of(ns, "configmaps", "a"), {"data": {"key": "new"}})
    api.delete(path_of(ns, "configmaps", "a"))
    with _terminal(kubeconfig, "replay", "-f", "-n", ns, "cm") as terminal:
        terminal.until("DELETED")
        for colour, word in (("32", "ADDED"), ("33", "MODIFIED"), ("31", "DELETED")):
            assert f"\x1b[{colour}m{word}" in terminal.shown
        assert terminal.interrupt() == 130
    with _terminal(kubeconfig, "history", "cm/a", "-n", ns) as terminal:
        terminal.until("DELETED")
        assert "\x1b[31m-  key: old" in terminal.shown
        assert "\x1b[32m+  key: new" in terminal.shown
