"""NATS over TLS: what was asked to be encrypted is never said in plain text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker.connection import Connection
from broker.errors import BusUnavailable
from tests.conftest import eventually
from tests.servers import Nats
from tests.tls import Certificates, SecureNats, certificates


@pytest.fixture
def made(tmp_path: Path) -> Certificates:
    return certificates(tmp_path / "pki")


@pytest.fixture
def secure_nats(tmp_path: Path, made: Certificates) -> Iterator[SecureNats]:
    server = SecureNats(tmp_path / "nats", made)
    server.start()
    yield server
    server.close()


async def test_a_server_that_the_ca_vouches_for_is_spoken_to(secure_nats: SecureNats) -> None:
    async with Connection(secure_nats.url, name="test").running() as connection:
        assert (await connection.api("INFO"))["streams"] == 0
        secure_nats.kill()
        generation = connection.generation
        await eventually(lambda: not connection.connected, what="gone")
        await asyncio.to_thread(secure_nats.start)
        await eventually(lambda: connection.generation > generation and connection.connected, what="back")


@contextlib.asynccontextmanager
async def never_connects(url: str) -> AsyncIterator[None]:
    connection = Connection(url, name="test")
    task = asyncio.create_task(connection.run())
    try:
        yield
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.wait_connected(), 1.0)
        with pytest.raises(BusUnavailable):
            await connection.publish("a", b"")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_server_of_another_ca_is_not_spoken_to(secure_nats: SecureNats, tmp_path: Path) -> None:
    other = certificates(tmp_path / "other").ca
    async with never_connects(f"{secure_nats.url.rpartition('&ca=')[0]}&ca={other}"):
        pass


@pytest.mark.parametrize("form", ["tls://", "nats:// and a CA"])
async def test_a_server_that_says_it_needs_no_tls_is_not_believed(made: Certificates, form: str) -> None:
    """Or whoever is on the way could have everything, the login first, in plain text."""
    heard: list[bytes] = []

    async def without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.11.0","max_payload":1048576,"nonce":"abc"}\r\n')
        heard.append(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(without_tls, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"nats://user:password@127.0.0.1:{port}"
        url = url.replace("nats://", "tls://") if form == "tls://" else f"{url}?ca={made.ca}"
        async with never_connects(url):
            await eventually(lambda: len(heard) > 0, what="a connection")
    assert b"".join(heard) == b""


async def test_a_server_without_tls_is_spoken_to_where_nobody_asked_for_it(nats_server: Nats) -> None:
    async with Connection(nats_server.url, name="test").running() as connection:
        await connection.flush()
