"""A whole backbeat for one measurement: in a temporary folder, gone with everything at the end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UP_SECONDS = 180.0
_BACKBEAT = (sys.executable, "-P", "-m", "deploy.cli")


class Failed(RuntimeError):
    """There is no result. The message says why."""


class PlaneFailed(Failed):
    """backbeat did not start, or not end. The message is what it said."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One that runs."""

    data_dir: Path

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def processes(self) -> dict[str, int]:
        """The pid of each process by its name."""
        status = json.loads(_backbeat("status", "-o", "json", f"--data-dir={self.data_dir}"))
        found: Sequence[dict[str, Any]] = status["processes"]
        return {one["name"]: one["pid"] for one in found if one["pid"]}


@contextmanager
def control_plane(*, nodes: int, runtime: str = "sim") -> Iterator[Plane]:
    """Ready, with every node Ready. The folder is where TMPDIR says. Raises PlaneFailed. SIGTERM ends it as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="bb") as folder:
        data_dir = Path(folder) / "backbeat"
        at = f"--data-dir={data_dir}"
        try:
            _backbeat("up", "--detach", "--port=0", f"--nodes={nodes}", f"--runtime={runtime}",
                      f"--timeout={UP_SECONDS:g}", at)  # fmt: skip
            yield Plane(data_dir)
        finally:
            if data_dir.exists():
                _backbeat("down", at)


def _backbeat(*args: str) -> str:
    ran = subprocess.run([*_BACKBEAT, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise PlaneFailed(f"backbeat {args[0]}: {ran.stdout}{ran.stderr}")
    return ran.stdout
