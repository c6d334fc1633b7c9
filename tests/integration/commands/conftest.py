"""One API server that may sign credentials, for the tests of this folder that one worker runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import identities
from deploy.kubeconfig import write_kubeconfig
from tests.integration.history.past import told_by
from tests.integration.rest.client import Client
from tests.integration.rest.server import NOBODY, Stack, TestServer
from tests.servers import Nats

_numbers = itertools.count(1)


class Commanded(Stack):
    """A control plane to be looked at by commands."""

    def another_server(self, **settings: object) -> TestServer:
        return super().another_server(nats_listeners_seed_file=self.nats.seed_file, **settings)

    def kubeconfig(self, who: identities.Identity = identities.ADMIN) -> Path:
        path = self._directory / f"{who.name}-{self.server.port}.kubeconfig"
        write_kubeconfig(
            path,
            server=self.server.url,
            ca_pem=self.server.pki.ca.read_bytes(),
            user=who.user,
            token=self.server.token(who),
        )
        return path


@pytest.fixture(scope="session")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commanded]:
    stack = Commanded(tmp_path_factory.mktemp("commands"))
    stack.start()
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def bus(commanded: Commanded) -> Nats:
    return commanded.nats


@pytest.fixture(scope="session")
def kubeconfig(commanded: Commanded) -> Path:
    """The administrator's."""
    return commanded.kubeconfig()


@pytest.fixture(scope="session")
def nobody(commanded: Commanded) -> Path:
    """The kubeconfig of somebody who may see nothing."""
    return commanded.kubeconfig(NOBODY)


@pytest.fixture(scope="session")
def api(commanded: Commanded) -> Iterator[Client]:
    client = told_by(commanded.server)
    yield client
    client.close()


@pytest.fixture
def ns(api: Client) -> str:
    """The name of a new namespace."""
    name = f"seen-{next(_numbers)}"
    api.make("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
