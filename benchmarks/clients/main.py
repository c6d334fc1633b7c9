"""What a client process runs. The first line on its standard input names the kind and gives the job."""

from __future__ import annotations

import signal
from collections.abc import Callable

from benchmarks.clients import durable, etcd, live, load, pages, watch
from benchmarks.clients.control import Control, Ended

KINDS: dict[str, Callable[..., None]] = {
    "watch": watch.run,
    "live": live.run,
    "durable": durable.run,
    "load": load.run,
    "pages": pages.run,
    "etcd-watch": etcd.run_watch,
    "etcd-load": etcd.run_load,
}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started this, and closes stdin
    control = Control()
    job = control.hear()
    try:
        KINDS[job.pop("kind")](control, **job)
    except Ended:
        return


if __name__ == "__main__":
    main()
