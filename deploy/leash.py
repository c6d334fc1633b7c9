"""A child that never outlives its supervisor, however that one ends.

`die_with_parent` is called by our own processes at their start. Programs that are not ours are run through this file as
a script, which then becomes the program, so that the pid stays the same:

    python -I -S leash.py <the supervisor's pid> <program> [arguments]

On Linux the kernel sends SIGKILL (PR_SET_PDEATHSIG, which outlasts the exec). Elsewhere a small watcher process looks
twice a second. SIGKILL and not SIGTERM: a process that hangs must go too, and all of ours bear it.

Containers are not on the leash: their shims outlive a kubelet on purpose, and the next start finds them.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5
EXIT_ORPHAN = 3
EXIT_CANNOT_RUN = 127


def die_with_parent(parent: int) -> None:
    """Ends at once when `parent` is gone already."""
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        watch_from_aside(parent)
    if os.getppid() != parent:  # it ended before the call above could say so
        os._exit(EXIT_ORPHAN)


def watch_from_aside(parent: int) -> None:
    """Fork a watcher that kills this process once `parent` is gone, and ends with this process."""
    watched = os.getpid()
    if os.fork():
        return
    while os.getppid() == watched:
        if not _exists(parent):
            os.kill(watched, signal.SIGKILL)
            break
        time.sleep(LOOK_SECONDS)
    os._exit(0)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> None:
    die_with_parent(int(sys.argv[1]))
    program = sys.argv[2:]
    try:
        os.execv(program[0], program)  # noqa: S606  no shell is wanted
    except OSError as err:
        sys.stderr.write(f"cannot run {program[0]}: {err.strerror}\n")
        sys.exit(EXIT_CANNOT_RUN)


if __name__ == "__main__":
    main()
