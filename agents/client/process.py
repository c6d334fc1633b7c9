"""One agent as a process: logs, signals, health file, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog
import uvloop
from pydantic import SecretStr

from agents.client.config import load
from agents.client.login import AgentLogin, SubscriptionLogin, UrlOnlyLogin, bus
from agents.client.rest import RestClient
from agents.client.transport import PATIENCE_SECONDS
from broker.connection import Connection

log = structlog.get_logger(__name__)

HEALTH_SECONDS = 2.0
EXIT_LOST = 75
"""EX_TEMPFAIL: the supervisor should start the process again."""


def configure_logs(level: int = logging.INFO) -> None:
    """One JSON object a line on standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def run_agent(main: Callable[[], Awaitable[None]]) -> None:
    """Run until SIGTERM or SIGINT cancels `main`, or it ends by itself."""
    configure_logs()
    uvloop.run(_until_signalled(main))


async def _until_signalled(main: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.ensure_future(main())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@dataclass(frozen=True, slots=True)
class Links:
    """What an agent speaks over. The bus opens once `login.join` was told what the agent listens to."""

    rest: RestClient
    bus: Connection
    login: AgentLogin


@contextlib.asynccontextmanager
async def connections(
    kubeconfig: Path,
    nats_url: SecretStr | None,
    *,
    name: str,
    keep: Path | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[Links]:
    """REST and bus for the agent whose Subscription is `name`. Neither has to be up yet. Without a NATS URL the API
    server is asked for everything; `keep` is a file for what it answered. Raises BadKubeconfig."""
    config = load(kubeconfig)
    async with RestClient(config, user_agent=f"backbeat-{name}", patience_seconds=patience_seconds) as rest:
        login: AgentLogin
        if nats_url is not None:
            login = UrlOnlyLogin(nats_url.get_secret_value(), rest, name=name)
        else:
            login = SubscriptionLogin(rest, name=name, keep=keep)
        async with bus(login, name=name) as connection:
            yield Links(rest, connection, login)


async def write_health(path: Path | None, state: Callable[[], tuple[bool, str]]) -> None:
    """Write (ready, reason) where the launcher looks, until cancelled."""
    while path is not None:
        ready, reason = state()
        told = {"ready": ready, "reason": reason, "time": datetime.now(UTC).isoformat()}
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(orjson.dumps(told))
        scratch.replace(path)
        await asyncio.sleep(HEALTH_SECONDS if ready else 0.2)
