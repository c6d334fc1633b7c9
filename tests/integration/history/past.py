"""Servers to ask about the past, and what they answer."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from deploy import identities
from deploy.identities import Identity
from tests.integration.rest.client import Client
from tests.integration.rest.server import Stack, TestServer

Line = dict[str, Any]
PATH = "/backbeat/changes"


class Past(Stack):
    """As a context it is started at the beginning and gone at the end."""

    def __enter__(self) -> Past:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def renew(self) -> None:
        """Another server takes over: what it tells of the past it has from the stream, not from its own memory."""
        self.server.stop()
        self.server = self.another_server()
        self.server.start()


def told_by(server: TestServer, who: Identity = identities.ADMIN) -> Client:
    return Client(server.port, server.tls, server.token(who))


def changes(client: Client, **query: Any) -> list[Line]:
    answer = client.get(PATH, **_renamed(query))
    assert (answer.status, answer.headers.get("content-type")) == (200, "application/x-ndjson"), answer.body
    return [json.loads(line) for line in answer.body.splitlines()]


def _renamed(query: dict[str, Any]) -> dict[str, Any]:
    """`from_` stands for a word that Python has taken."""
    return {key.rstrip("_"): value for key, value in query.items()}


@contextmanager
def followed(server: TestServer, **query: Any) -> Iterator[Iterator[Line]]:
    """The lines of a request that goes on."""
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=server.tls)
    path = f"{PATH}?{urlencode(_renamed({**query, 'follow': 'true'}), doseq=True)}"
    connection.request("GET", path, headers={"Authorization": f"Bearer {server.token()}"})
    answer = connection.getresponse()
    try:
        yield (json.loads(line) for line in iter(answer.readline, b""))
    finally:
        answer.close()
        connection.close()


def short(line: Line) -> tuple[str, str]:
    """(type, name)."""
    return line["frame"]["type"], line["frame"]["object"]["metadata"]["name"]


def rv_of(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])
