"""Fixtures that every layer of the tests shares. Servers are real processes; each test that asks gets its own."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.servers import Nats, Redis


def pytest_configure() -> None:
    """Whoever starts the tests in the background may have them ignore Ctrl-C, and so the processes that they start."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path / "redis")
    server.start()
    yield server
    server.close()


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[Nats]:
    server = Nats(tmp_path / "nats")
    server.start()
    yield server
    server.close()


@pytest_asyncio.fixture(autouse=True)
async def no_task_outlives_its_test() -> AsyncIterator[None]:
    """A test that leaves a task running hides a leak."""
    before = asyncio.all_tasks()
    yield
    deadline = time.monotonic() + 2
    while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
        if time.monotonic() > deadline:
            names = sorted(t.get_name() + " " + repr(t.get_coro()) for t in left)
            pytest.fail(f"tasks outlive the test: {names}")
        await asyncio.sleep(0.01)


async def eventually(
    condition: Callable[[], Awaitable[bool]] | Callable[[], bool],
    *,
    timeout_seconds: float = 15.0,
    what: str = "condition",
) -> None:
    """Wait for a condition with a deadline. Raises TimeoutError that names what was waited for."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        result = condition()
        if isinstance(result, bool):
            met = result
        else:
            met = await result
        if met:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} not reached in {timeout_seconds} s")
        await asyncio.sleep(0.02)
