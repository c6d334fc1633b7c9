from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.cache.plane import Plane
from tests.servers import Nats, Redis


@pytest_asyncio.fixture
async def plane(redis_server: Redis, nats_server: Nats) -> AsyncIterator[Plane]:
    async with Plane(redis_server, nats_server).running() as running:
        yield running
