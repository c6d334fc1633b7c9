"""Real API server processes for tests, on a Redis and a NATS that the test has: killed, stopped, started again.

    server = ApiServer(tmp_path / "api", redis_url=redis.url, nats_url=nats.url)
    server.start()                     # returns once /readyz says ok
    server.arm("before-publish:3")     # where the next start dies: see broker/crashpoints.py
    server.restart()

Several in the same directory are servers of one control plane, side by side: they share certificates, tokens and the
key of Secrets. Each keeps its port over restarts, so clients find it again.
"""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from broker.crashpoints import VARIABLE
from deploy import identities, pki
from deploy.identities import Identity
from deploy.kubeconfig import write_kubeconfig
from tests.servers import Nats, Process, Redis, free_port, wait_until

HOST = "127.0.0.1"
READY_SECONDS = 60.0
"""Two noisy cores may start several of these at once."""

AGENTS = (identities.CONTROLLERS, identities.SCHEDULER, identities.FLEET, identities.node("node-1"))


class ApiServer(Process):
    """One process. `settings` are fields of `apiserver.settings.ServerSettings`, as text."""

    def __init__(
        self,
        directory: Path,
        *,
        redis_url: str,
        nats_url: str,
        name: str = "apiserver",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        certificates = directory / "pki"
        certificates.mkdir(exist_ok=True)
        self.pki = pki.ensure(certificates)
        self.tokens = identities.ensure_tokens(directory / "tokens.csv", [identities.ADMIN, *AGENTS])
        self.port = free_port()
        self.url = f"https://{HOST}:{self.port}"
        self._directory = directory
        self._crash_at = ""
        self._settings = {
            "redis_url": redis_url,
            "nats_url": nats_url,
            "port": str(self.port),
            "tls_cert_file": str(self.pki.serving),
            "tls_private_key_file": str(self.pki.serving_key),
            "client_ca_file": str(self.pki.client_ca),
            "token_auth_file": str(directory / "tokens.csv"),
            "secrets_key_file": str(directory / "secrets.keys"),
            **(settings or {}),
        }
        super().__init__([sys.executable, "-P", "-m", "deploy.part", "apiserver", name], directory / f"{name}.log")

    @property
    def token(self) -> str:
        """The administrator's."""
        return self.tokens[identities.ADMIN.user]

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.pki.ca))

    def kubeconfig(self, who: Identity = identities.ADMIN) -> Path:
        """A file that lets `who` speak to this server."""
        path = self._directory / f"{who.name}-{self.port}.kubeconfig"
        write_kubeconfig(
            path, server=self.url, ca_pem=self.pki.ca.read_bytes(), user=who.user, token=self.tokens[who.user]
        )
        return path

    def arm(self, crash_at: str) -> None:
        """Let the next start die at a crash point; empty: never."""
        self._crash_at = crash_at

    def spawn(self) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BACKBEAT_")}
        environment |= {f"BACKBEAT_{key.upper()}": value for key, value in self._settings.items()}
        if self._crash_at:
            environment[VARIABLE] = self._crash_at
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment
            )

    def start(self, *, wait: bool = True) -> None:
        """`wait`: until it is ready. RuntimeError with its log where it ends before that."""
        self.spawn()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        wait_until(self._ready_or_dead, timeout_seconds=READY_SECONDS, what="API server ready")

    def restart(self, *, wait: bool = True) -> None:
        """kill -9 and start again on the same port."""
        self.kill()
        self.start(wait=wait)

    def wait_dead(self, *, timeout_seconds: float = 60.0) -> int:
        """Until the process ended by itself, as an armed one does. The exit code; negative: the signal."""
        assert self._process is not None
        code = self._process.wait(timeout=timeout_seconds)
        self._process = None
        return code

    def _ready_or_dead(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the API server ended with {self._process.returncode}:\n{self.log.read_text()}")
        return self.readyz()[0] == 200

    def readyz(self) -> tuple[int, str]:
        """The status and text of /readyz?verbose; status 0 while nobody answers."""
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=10, context=self.ssl_context())
        try:
            connection.request("GET", "/readyz?verbose", headers={"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as err:
            return 0, str(err)
        finally:
            connection.close()

    def close(self) -> None:
        self.kill()


@pytest.fixture
def api_server(tmp_path: Path, redis_server: Redis, nats_server: Nats) -> Iterator[ApiServer]:
    """One API server, ready. Import this name into a conftest.py to use it."""
    server = ApiServer(tmp_path / "api", redis_url=redis_server.url, nats_url=nats_server.url)
    try:
        server.start()
        yield server
    finally:
        server.close()
