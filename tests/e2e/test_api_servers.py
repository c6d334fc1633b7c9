"""`backbeat up --api-servers 2`: several API server processes behind one port, as kubectl and its users see them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import yaml

from tests.plane import ControlPlane, wait_for

SERVERS = ("apiserver", "apiserver-2")
CONNECTIONS = 64


class Clients:
    """Connections that stay open, sorted by the process that took each: it is known by the port at its other end."""

    def __init__(self, plane: ControlPlane) -> None:
        config = yaml.safe_load(plane.kubeconfig.read_text())
        self._address = urlsplit(config["clusters"][0]["cluster"]["server"])
        self._tls = ssl.create_default_context(cafile=str(plane.data_dir / "pki" / "ca.crt"))
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        self._pids: dict[str, int] = {p["name"]: p["pid"] for p in plane.status()["processes"] if p["name"] in SERVERS}
        self._opened: list[http.client.HTTPSConnection] = []

    def of_each(self) -> dict[str, http.client.HTTPSConnection]:
        found: dict[str, http.client.HTTPSConnection] = {}
        for _ in range(CONNECTIONS):
            connection = self._open()
            found[self._server_of(connection)] = connection
            if len(found) == len(SERVERS):
                return found
        raise AssertionError(f"all of {CONNECTIONS} connections went to {list(found)}")

    def _open(self) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(
            str(self._address.hostname), self._address.port, timeout=60, context=self._tls
        )
        self._opened.append(connection)
        self.ask(connection, "GET", "/livez")
        return connection

    def _server_of(self, connection: http.client.HTTPSConnection) -> str:
        ours: int = connection.sock.getsockname()[1]
        for name, pid in self._pids.items():
            if any(one.raddr and one.raddr.port == ours for one in psutil.Process(pid).net_connections("tcp")):
                return name
        raise AssertionError(f"nobody has taken the connection from port {ours}")

    def ask(self, connection: http.client.HTTPSConnection, method: str, path: str, body: Any = None) -> bytes:
        text = json.dumps(body) if body is not None else None
        connection.request(method, path, text, {**self._headers, "Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status in (200, 201), (answer.status, said)
        return said

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("plane")
    with ControlPlane(folder, nodes=1, runtime="sim", args=["--api-servers=2"]) as running:
        yield running


@pytest.fixture
def clients(plane: ControlPlane) -> Iterator[Clients]:
    wait_for(lambda: _healthy(plane), timeout_seconds=60, what="both API servers healthy")
    with contextlib.closing(Clients(plane)) as opened:
        yield opened


def _healthy(plane: ControlPlane) -> bool:
    health = {process["name"]: process["health"] for process in plane.status()["processes"]}
    return all(health[name] == "healthy" for name in SERVERS)


def _configmap(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": "value"}}


def test_a_write_at_one_is_read_and_listed_at_the_other_at_once(clients: Clients) -> None:
    one, two = (clients.of_each()[name] for name in SERVERS)
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(30):
        writer, reader = (one, two) if number % 2 else (two, one)
        name = f"at-once-{number}"
        clients.ask(writer, "POST", path, _configmap(name))
        assert json.loads(clients.ask(reader, "GET", f"{path}/{name}"))["metadata"]["name"] == name
        listed = json.loads(clients.ask(reader, "GET", path))["items"]
        assert name in {item["metadata"]["name"] for item in listed}


def test_when_one_is_killed_the_other_serves_on_and_the_dead_one_is_started_again(
    plane: ControlPlane, clients: Clients
) -> None:
    held = clients.of_each()
    dead = next(p for p in plane.status()["processes"] if p["name"] == "apiserver")
    os.kill(dead["pid"], signal.SIGKILL)
    for number in range(5):
        plane.kubectl("create", "configmap", f"served-on-{number}")
    clients.ask(held["apiserver-2"], "GET", "/api/v1/namespaces/default/configmaps/served-on-4")
    wait_for(lambda: _healthy(plane), timeout_seconds=60, what="the dead API server healthy again")
    again = next(p for p in plane.status()["processes"] if p["name"] == "apiserver")
    assert again["restarts"] == dead["restarts"] + 1
    assert again["pid"] != dead["pid"]
    seen = Path(plane.data_dir / "logs" / "apiserver.log").read_text()
    assert seen.count("cache ready") >= 2
