from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from apiserver.store.redis import RedisStore
from tests.servers import Redis


@pytest_asyncio.fixture
async def store(redis_server: Redis) -> AsyncIterator[RedisStore]:
    made = RedisStore(redis_server.url)
    yield made
    await made.close()
