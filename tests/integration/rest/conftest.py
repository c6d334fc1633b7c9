"""One API server for all tests of this folder that one worker runs; each test has a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from deploy.identities import Identity
from tests.integration.rest.client import Client
from tests.integration.rest.server import Stack, TestServer

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("rest"))
    stack.start()
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def server(stack: Stack) -> TestServer:
    return stack.server


@pytest.fixture(scope="session")
def api(server: TestServer) -> Iterator[Client]:
    """The administrator."""
    client = Client(server.port, server.tls, server.token())
    yield client
    client.close()


@pytest.fixture
def client_of(server: TestServer) -> Iterator[Callable[[Identity | None], Client]]:
    """A client of somebody else; None is anonymous."""
    made: list[Client] = []

    def client(who: Identity | None) -> Client:
        made.append(Client(server.port, server.tls, server.token(who) if who is not None else None))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def ns(api: Client) -> str:
    """The name of a new namespace."""
    name = f"test-{next(_numbers)}"
    api.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
