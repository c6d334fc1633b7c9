"""TLS for tests: certificates of a CA of their own, a nats-server that speaks it, and a door in front of a Redis.

The embedded Redis has no TLS compiled in. The door ends TLS and passes on what comes, so clients are tested with it
on every machine; where the machine has a redis-server or valkey-server, that one's own TLS is tested too.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy import pki
from tests.servers import Nats, Process, Redis, free_port, wait_until

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Of a server on this machine."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def certificates(directory: Path, *, hosts: tuple[str, ...] = (HOST,)) -> Certificates:
    directory.mkdir(parents=True, exist_ok=True)
    made = pki.ensure(directory, hosts=hosts)
    return Certificates(made.ca, made.serving, made.serving_key)


class SecureNats(Nats):
    """Speaks nothing but TLS. Its URLs name the CA."""

    def __init__(self, directory: Path, made: Certificates) -> None:
        super().__init__(directory)
        self._made = made
        self.address = self.address.replace("nats://", "tls://")
        self.url = f"{self.url.replace('nats://', 'tls://')}&ca={quote(str(made.ca))}"
        self.agent_url = self.url

    def spawn(self) -> None:
        tls = f'tls {{\n  cert_file: "{self._made.certificate}"\n  key_file: "{self._made.key}"\n}}\n'
        self.server.config_path.write_text(self.server.config() + tls)
        super().spawn()


class Door:
    """Ends TLS in front of a Redis' unix socket, from `open` to `close`."""

    def __init__(self, redis: Redis, made: Certificates) -> None:
        self._target = redis.server.socket
        self._made = made
        self.port = free_port()
        self.url = f"rediss://{redis.login}@{HOST}:{self.port}?ca={quote(str(made.ca))}"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opened = threading.Event()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="door", daemon=True)

    def open(self) -> None:
        self._thread.start()
        assert self._opened.wait(30)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(30)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._pass, HOST, self.port, ssl=self._made.context())
        self._opened.set()
        async with server:
            await self._closing.wait()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._target))
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


class SecureRedis(Process):
    """A distribution's server with TLS compiled in. `url` is what components take."""

    def __init__(self, directory: Path, made: Certificates, binary: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._inner = Redis(directory, binary=binary)
        self._made = made
        self.port = free_port()
        self.url = f"rediss://{self._inner.login}@{HOST}:{self.port}?ca={quote(str(made.ca))}"
        super().__init__(self._inner.command, directory / "redis.log")

    def start(self) -> None:
        self._inner.server.write_config()
        lines = (
            f"tls-port {self.port}",
            f"bind {HOST}",
            f'tls-cert-file "{self._made.certificate}"',
            f'tls-key-file "{self._made.key}"',
            "tls-auth-clients no",
        )
        with self._inner.server.config_path.open("a") as config:
            config.write("".join(f"{line}\n" for line in lines))
        self.spawn()
        wait_until(self._inner._answers, what="redis-server ready")

    def close(self) -> None:
        self.kill()
        self._inner.close()


def secure_redis_binary() -> Path:
    """Skips the test where the machine has none."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None and _speaks_tls(found):
            return Path(found)
    pytest.skip("no valkey-server or redis-server with TLS on the PATH")


def _speaks_tls(binary: str) -> bool:
    """One that does misses a certificate, and ends."""
    command = [binary, "--port", "0", "--tls-port", str(free_port()), "--save", ""]
    said = subprocess.run(command, capture_output=True, check=False, timeout=20)
    return b"tls-cert-file" in said.stdout + said.stderr


@contextlib.contextmanager
def secure_redis(kind: str, directory: Path, made: Certificates) -> Iterator[str]:
    """The URL of one. `door`: the embedded server behind a door; `own`: the distribution's."""
    server: Redis | SecureRedis
    if kind == "own":
        server = SecureRedis(directory, made, secure_redis_binary())
        server.start()
        try:
            yield server.url
        finally:
            server.close()
        return
    server = Redis(directory)
    server.start()
    door = Door(server, made)
    door.open()
    try:
        yield door.url
    finally:
        door.close()
        server.close()
