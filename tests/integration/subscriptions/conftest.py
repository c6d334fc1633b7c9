"""One API server for the tests of this folder that one worker runs; each test has a namespace of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
import structlog

from apiserver.subscriptions import keeper
from deploy.identities import Identity
from tests.integration.rest.client import Client
from tests.integration.subscriptions.bus import Bus

_numbers = itertools.count(1)


@pytest.fixture(scope="package", autouse=True)
def looked_at_often() -> Iterator[None]:
    """Nobody waits ten seconds for a round of the keeper."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(keeper, "ROUND_SECONDS", 0.5)
        patched.setattr(keeper, "RETRY_SECONDS", 0.1)
        yield


@pytest.fixture(scope="package")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with Bus(tmp_path_factory.mktemp("subscriptions")) as bus:
        yield bus


@pytest.fixture(scope="package")
def api(bus: Bus) -> Iterator[Client]:
    """The administrator."""
    client = bus.client()
    yield client
    client.close()


@pytest.fixture
def client_of(bus: Bus) -> Iterator[Callable[[Identity], Client]]:
    """A client of somebody else."""
    made: list[Client] = []

    def client(who: Identity) -> Client:
        made.append(Client(bus.server.port, bus.server.tls, bus.server.token(who)))
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def ns(api: Client) -> str:
    """The name of a new namespace."""
    name = f"heard-{next(_numbers)}"
    api.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The library leaves standard output to the program, by a setting of the whole process."""
    before = structlog.is_configured()
    yield
    if not before:
        structlog.reset_defaults()
