"""One agent as a process: logs, signals, health file, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson
import structlog
import uvloop

from agents.client.config import load
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


@contextlib.asynccontextmanager
async def connections(
    kubeconfig: Path, nats_url: str, *, name: str, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[tuple[RestClient, Connection]]:
    """REST and bus for one agent. Neither has to be up yet. Raises BadKubeconfig."""
    connection = Connection(nats_url, name=name)
    config = load(kubeconfig)
    async with RestClient(config, user_agent=f"backbeat-{name}", patience_seconds=patience_seconds) as rest:
        running = asyncio.create_task(connection.run(), name="connection")
        try:
            yield rest, connection
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def write_health(path: Path | None, state: Callable[[], tuple[bool, str]]) -> None:
    """Write (ready, reason) where the launcher looks, until cancelled."""
    while path is not None:
        ready, reason = state()
        told = {"ready": ready, "reason": reason, "time": datetime.now(UTC).isoformat()}
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_bytes(orjson.dumps(told))
        scratch.replace(path)
        await asyncio.sleep(HEALTH_SECONDS if ready else 0.2)
