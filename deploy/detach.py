"""`backbeat up --detach`: the supervisor in the background, and its events here until all is ready."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from deploy.child import describe_exit, open_log
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.launcher import up
from deploy.options import UpOptions
from deploy.report import Event, PipeReporter, Reporter, events_of


def up_detached(options: UpOptions, reporter: Reporter) -> int:
    """The exit code: 0 once every node is Ready. Interrupted, it ends what it started."""
    data = DataDir.at(options.data_dir)
    try:
        data.create()
    except UserError as err:
        reporter.tell(Event("failed", str(err)))
        return err.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    ours, theirs = os.pipe()
    # NB: a fork and not a new interpreter: it is quicker, and nothing secret has to be handed over.
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _background(options, data, theirs)
    os.close(theirs)
    return _follow(pid, ours, reporter, data)


def _background(options: UpOptions, data: DataDir, report_to: int) -> NoReturn:
    code = 1
    try:
        os.setsid()
        _redirect(data)
        code = up(options, PipeReporter(report_to), detached=True)
    except BaseException:
        traceback.print_exc()  # into the log; the process that waits says where that is
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the command's own clean-up is its parent's


def _redirect(data: DataDir) -> None:
    with Path(os.devnull).open("rb") as nothing, open_log(data.logs / "backbeat.log") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


def _follow(pid: int, descriptor: int, reporter: Reporter, data: DataDir) -> int:
    failed = False
    try:
        for event in events_of(descriptor):
            reporter.tell(event)
            if event.kind == "ready":
                return 0
            failed = failed or event.kind == "failed"
    except KeyboardInterrupt:
        os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if not failed and code != 0:
        log = data.logs / "backbeat.log"
        reporter.tell(Event("failed", f"the supervisor ended before all was ready ({describe_exit(code)}); see {log}"))
    return code if code > 0 else 1
