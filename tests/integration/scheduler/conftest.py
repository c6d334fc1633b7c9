"""A control plane without kubelets and controllers: an API server, and schedulers as the test wants them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from agents.client.rest import RestClient
from tests.apiserver import ApiServer, api_server
from tests.integration.scheduler.process import SchedulerProcess, client
from tests.servers import Nats

__all__ = ["api_server"]

MakeScheduler = Callable[..., SchedulerProcess]


@pytest_asyncio.fixture
async def rest(api_server: ApiServer) -> AsyncIterator[RestClient]:
    async with client(api_server) as found:
        yield found


@pytest.fixture
def scheduler(tmp_path: Path, api_server: ApiServer, nats_server: Nats) -> Iterator[MakeScheduler]:
    """Starts a scheduler."""
    made: list[SchedulerProcess] = []

    def start(name: str = "scheduler", *, identity: str = "") -> SchedulerProcess:
        made.append(SchedulerProcess(tmp_path, api_server, nats_server, name=name, identity=identity))
        made[-1].spawn()
        return made[-1]

    yield start
    for one in made:
        one.kill()
