"""One API server for the tests of this folder that one worker runs; each test has a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.integration.history.past import Past, told_by
from tests.integration.rest.client import Client

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    with Past(tmp_path_factory.mktemp("history")) as past:
        yield past


@pytest.fixture(scope="session")
def api(past: Past) -> Iterator[Client]:
    """The administrator."""
    client = told_by(past.server)
    yield client
    client.close()


@pytest.fixture
def ns(api: Client) -> str:
    """The name of a new namespace."""
    name = f"then-{next(_numbers)}"
    api.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
