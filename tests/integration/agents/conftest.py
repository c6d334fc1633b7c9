from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.conftest import eventually
from tests.integration.agents.plane import Plane, Servers, plane_of


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One API server for the tests of a module; each test has a namespace and nodes of its own."""
    made = Servers(tmp_path_factory.mktemp("plane"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest_asyncio.fixture
async def quiet_end() -> AsyncIterator[None]:
    """Requests that were cancelled close their TLS connections in the background, which takes a moment."""
    loop = asyncio.get_running_loop()

    def open_sockets() -> int:
        return len(loop._selector.get_map()) - 1  # type: ignore[attr-defined]  # one is the loop's own

    before = open_sockets()
    yield
    with contextlib.suppress(TimeoutError):  # then pytest tells of the socket
        await eventually(lambda: open_sockets() <= before, timeout_seconds=5, what="all connections closed")


@pytest_asyncio.fixture
async def bare(servers: Servers, quiet_end: None) -> AsyncIterator[Plane]:
    """Without controllers: a test starts them itself."""
    async with plane_of(servers) as made:
        yield made


@pytest_asyncio.fixture
async def plane(bare: Plane) -> AsyncIterator[Plane]:
    """With the real controllers."""
    async with bare.servers.controllers():
        yield bare
