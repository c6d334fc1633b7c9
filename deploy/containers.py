"""End the containers that kubelets left running: `python -m deploy.containers GRACE_SECONDS STATE_DIR …`.

Containers outlive their kubelet on purpose. At an orderly end, and for nodes that are no more, the launcher calls this
once the kubelets are gone. In a process of its own, so that the launcher can go on, and give up on it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

GRACE_SECONDS = 2.0
PATIENCE_SECONDS = 5.5
"""For the whole: starting, the grace, and the kill."""


def with_containers(nodes: Path) -> list[Path]:
    """The nodes' folders that ever had a container, of all nodes that this data-dir ever had."""
    return sorted(path for path in nodes.iterdir() if any(path.glob("pods/*/containers/*"))) if nodes.is_dir() else []


def start_stopping(state_dirs: Sequence[Path], *, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.containers", str(GRACE_SECONDS), *map(str, state_dirs)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def main() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from agents.kubelet.process_runtime import stop_everything

    grace = float(sys.argv[1])
    folders = [Path(argument) for argument in sys.argv[2:]]
    with ThreadPoolExecutor(max_workers=len(folders)) as pool:
        list(pool.map(lambda folder: stop_everything(folder, grace_seconds=grace), folders))


if __name__ == "__main__":
    main()
