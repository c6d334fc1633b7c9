from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.faults.cluster import Cluster


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """One API server with its Redis and its NATS, all ready."""
    with Cluster(tmp_path) as made:
        await asyncio.to_thread(made.start)
        yield made


@pytest_asyncio.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Two API servers on one Redis and one NATS. The first one's relay has the lease."""
    with Cluster(tmp_path, servers=2) as made:
        await asyncio.to_thread(made.start)
        yield made
