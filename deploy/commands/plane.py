"""The control plane that a command speaks to, and how a command ends.

Found by its data-dir, else by the current kubeconfig as kubectl finds it: $KUBECONFIG, which may name several files, or
~/.kube/config. Whatever goes wrong is one sentence on standard error. Ctrl-C and SIGTERM end a command in order, with
130 and 143; a reader that has read enough (`| head`) ends it as SIGPIPE would.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from agents.client.config import ApiConfig, BadKubeconfig, load
from agents.client.process import configure_logs
from agents.client.transport import NotDone, Transport
from apiserver.api.status import Expired, NotFound, StatusError, Unauthorized
from broker.errors import BusError, HistoryReplaced
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.options import DEFAULT_DATA_DIR

INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143
PATIENCE_SECONDS = 3.0
"""How long an API server that does not answer is asked again: somebody is waiting."""
USER_AGENT = "backbeat-cli"


@dataclass(frozen=True, slots=True)
class Plane:
    """An open way to the API server."""

    config: ApiConfig
    transport: Transport

    def namespace(self, given: str) -> str:
        """The one that a command without `-n` means."""
        return given or self.config.namespace or "default"


def find(data_dir: Path | None) -> ApiConfig:
    """Raises UserError."""
    try:
        return load(*_kubeconfigs(data_dir))
    except BadKubeconfig as err:
        raise UserError(str(err)) from err


def _kubeconfigs(data_dir: Path | None) -> list[Path]:
    if data_dir is not None:
        data = DataDir.at(data_dir)
        if not data.kubeconfig.is_file():
            raise UserError(f"there is no control plane in {data.root}; start one with `backbeat up`")
        return [data.kubeconfig]
    named = [Path(one).expanduser() for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    usual = [Path.home() / ".kube" / "config", DEFAULT_DATA_DIR / "kubeconfig"]
    found = [path for path in named or usual if path.is_file()]
    if named and not found:
        raise UserError(f"KUBECONFIG names no file: {os.environ['KUBECONFIG']}")
    if not found:
        raise UserError("which control plane? Name its --data-dir, or a kubeconfig in KUBECONFIG")
    return found if named else found[:1]


def run(data_dir: Path | None, main: Callable[[Plane], Awaitable[None]]) -> None:
    """Run a command to its end. Raises UserError, typer.Exit."""
    config = find(data_dir)
    configure_logs(logging.ERROR)
    try:
        asyncio.run(_with_plane(config, main))
        sys.stdout.flush()
    except KeyboardInterrupt as err:
        raise typer.Exit(INTERRUPTED) from err
    except asyncio.CancelledError as err:
        raise typer.Exit(TERMINATED) from err
    except BrokenPipeError as err:
        _forget_output()
        raise typer.Exit(BROKEN_PIPE) from err
    except StatusError as err:
        raise UserError(in_words(err, config)) from err
    except HistoryReplaced as err:
        raise UserError(str(err)) from err
    except BusError as err:
        raise UserError(f"the bus does not do what is asked of it: {err}") from err


async def _with_plane(config: ApiConfig, main: Callable[[Plane], Awaitable[None]]) -> None:
    try:
        config.ssl_context()
    except (ssl.SSLError, ValueError) as err:
        raise UserError(f"the certificates of the kubeconfig cannot be used: {err}") from err
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    transport = Transport(config, user_agent=USER_AGENT, patience_seconds=PATIENCE_SECONDS)
    try:
        await main(Plane(config, transport))
    finally:
        await transport.close()


def in_words(err: StatusError, config: ApiConfig) -> str:
    match err:
        case NotDone() if err.__cause__ is not None:
            return f"cannot reach the API server at {config.server}: {_why(err.__cause__)}"
        case Unauthorized():
            return f"the API server at {config.server} does not accept the credentials of the kubeconfig"
        case Expired():
            return f"{err.message}: it is longer ago than the stream reaches back"
        case NotFound() if not err.name:
            return f"{config.server} does not know this request; is it a backbeat?"
        case _:
            return err.message


def _why(cause: BaseException) -> str:
    reason = getattr(cause, "strerror", None)
    return str(reason or cause)


def _forget_output() -> None:
    """So that nothing is written to the closed pipe at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
