"""Start a container's shim, so that it outlives us and knows nothing of our environment.

The lock is taken here and inherited by the shim: there is no moment in which a container is being started and its
lock is free, whoever of the two is killed. `start` blocks for some 20 ms; call it in a thread.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import py_compile
import sys
from pathlib import Path

from agents.kubelet import shim
from agents.kubelet.container_dir import StoredContainer
from agents.kubelet.runtime import RuntimeFailure, StartFailed

_LOWEST_SPARE = 10
_KEEP = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
"""Of our environment, what an interpreter may need to start. The container does not see it."""


class Launcher:
    """`folder` keeps the compiled shim: compiling it again for each container would cost more than its start."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "shim.pyc"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        py_compile.compile(str(Path(shim.__file__)), cfile=str(self._script), doraise=True)

    def start(self, stored: StoredContainer) -> int:
        """The shim's pid, once the command runs. Raises StartFailed, RuntimeFailure; the caller reaps the shim."""
        try:
            with stored.directory.locked() as lock:
                pid, answer = self._spawn(stored, lock)
        except BlockingIOError as err:
            raise RuntimeFailure(f"container {stored.directory.id} is running already") from err
        except OSError as err:
            raise RuntimeFailure(f"cannot start the shim: {err}") from err
        if answer == "ok":
            return pid
        os.waitpid(pid, 0)
        if not answer:
            raise RuntimeFailure("the shim ended before the command was run; see shim.err beside the container")
        raise StartFailed(f"failed to start container: unable to start container process: {answer}")

    def _spawn(self, stored: StoredContainer, lock: int) -> tuple[int, str]:
        directory = stored.directory.path
        order_out, order_in = os.pipe()
        answer_out, answer_in = os.pipe()
        spare = fcntl.fcntl(lock, fcntl.F_DUPFD_CLOEXEC, _LOWEST_SPARE)
        errors = os.open(directory / "shim.err", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", str(self._script), str(directory)],
                {name: os.environ[name] for name in _KEEP if name in os.environ},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, order_out, 0),
                    (os.POSIX_SPAWN_DUP2, answer_in, 1),
                    (os.POSIX_SPAWN_DUP2, errors, 2),
                    (os.POSIX_SPAWN_DUP2, spare, shim.LOCK),
                ],
                setsid=True,
            )
        finally:
            for end in (order_out, answer_in, spare, errors):
                os.close(end)
        try:
            with os.fdopen(order_in, "wb") as order:
                order.write(marshal.dumps(stored.order()))
        finally:
            with os.fdopen(answer_out, "rb") as answer:
                said = answer.read().decode("utf-8", "surrogateescape")
        return pid, said
