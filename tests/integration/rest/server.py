"""One API server for the tests of a module: in the test process, on real Redis and NATS, spoken to over HTTPS.

The server runs in a thread with an event loop of its own, so that tests of any kind share it, and that a server that
blocks its loop is seen as one that does not answer.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from concurrent.futures import Future
from pathlib import Path

import uvloop

from apiserver.server import Server
from apiserver.settings import ServerSettings
from deploy import identities, pki
from deploy.identities import Identity
from tests.servers import Nats, Redis, free_port, wait_until

NOBODY = Identity("nobody", "nobody")
"""Known, and without any right."""
NODE = identities.node("node-1")
PEOPLE = (identities.ADMIN, identities.CONTROLLERS, identities.SCHEDULER, identities.FLEET, NODE, NOBODY)


class TestServer:
    """`start` returns once the server is ready; `stop` once it has ended, in order."""

    __test__ = False

    def __init__(self, directory: Path, redis_url: str, nats_url: str, **settings: object) -> None:
        """Several in one directory are servers of one control plane."""
        directory.mkdir(parents=True, exist_ok=True)
        certificates = directory / "pki"
        certificates.mkdir(exist_ok=True)
        self.pki = pki.ensure(certificates)
        self.tokens = identities.ensure_tokens(directory / "tokens.csv", PEOPLE)
        self.port = free_port()
        self.settings = ServerSettings(
            redis_url=redis_url,
            nats_url=nats_url,
            port=self.port,
            tls_cert_file=self.pki.serving,
            tls_private_key_file=self.pki.serving_key,
            client_ca_file=self.pki.client_ca,
            token_auth_file=directory / "tokens.csv",
            health_file=directory / f"health-{self.port}.json",
            **{"secrets_key_file": directory / "secrets.keys", **settings},
        )
        self.tls = ssl.create_default_context(cafile=str(self.pki.ca))
        self._health_file = directory / f"health-{self.port}.json"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._ended: Future[None] = Future()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def token(self, who: Identity = identities.ADMIN) -> str:
        return self.tokens[who.user]

    def start(self, *, wait: bool = True) -> None:
        self._health_file.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._run, name="apiserver", daemon=True)
        self._thread.start()
        if wait:
            wait_until(self._ready, timeout_seconds=60, what="API server ready")

    def _run(self) -> None:
        try:
            uvloop.run(self._serve())
        except BaseException as err:  # noqa: BLE001 - whoever stops the server gets it
            self._ended.set_exception(err)
        else:
            self._ended.set_result(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = Server(self.settings)
        await self._server.run()

    def _ready(self) -> bool:
        if self._ended.done():
            self._ended.result()
        return self._health_file.is_file() and b'"ready":true' in self._health_file.read_bytes()

    def stop(self) -> None:
        """As at SIGTERM. Raises what the server failed with."""
        if self._loop is not None and self._server is not None and not self._ended.done():
            self._loop.call_soon_threadsafe(self._server.stop)
        self._ended.result(timeout=30)


class Stack:
    """Redis, NATS and one API server."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self._directory = directory
        self.redis = Redis(directory / "redis")
        self.nats = Nats(directory / "nats")
        self.server = self.another_server(**settings)

    def another_server(self, **settings: object) -> TestServer:
        return TestServer(self._directory / "api", self.redis.url, self.nats.url, **settings)

    def start(self) -> None:
        self.redis.start()
        self.nats.start()
        self.server.start()

    def close(self) -> None:
        try:
            self.server.stop()
        finally:
            self.nats.close()
            self.redis.close()
