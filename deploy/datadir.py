"""Where everything of one control plane lies.

    <data-dir>/kubeconfig          for the user: a token of system:masters
               kubeconfigs/        one for each agent, with its own identity
               pki/                certificates and their keys
               tokens.csv          who each token is
               secrets.keys        what Secrets are sealed with
               redis.password      the API server's for the embedded Redis
               nats-…              who vouches for whom on the embedded NATS: see `deploy.trust`
               settings.json       what is kept across starts: ports, the name of this control plane
               redis/, nats/       the record (append-only file), the stream (JetStream)
               nodes/<name>/       each kubelet's own
               agents/             what scheduler and controllers know, for their next start; may be removed
               health/, logs/      one file for each process
               supervisor.lock     held while it runs; state.json says what runs

A unix socket's path may have only 107 bytes. Where `<data-dir>/redis/redis.sock` is longer, the socket lies in a folder
of its own, `/tmp/backbeat-<uid>-<digest of the data-dir's path>`, which nobody else may enter. (Not in
$XDG_RUNTIME_DIR: that is removed at logout, and a detached control plane lives on.)
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import UserError
from deploy.files import private_directory

MAX_SOCKET_PATH = 107 if sys.platform.startswith("linux") else 103
"""Bytes that a unix socket's path may have (`sun_path` is 108 with its NUL on Linux, 104 on macOS)."""
SHORT_ROOT = Path("/tmp")  # noqa: S108  the folder below it is private, and checked
"""Short by itself; TMPDIR may be anything."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """Absolute paths. Nothing exists before `create`."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> DataDir:
        return cls(path.expanduser().resolve())

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def kubeconfigs(self) -> Path:
        return self.root / "kubeconfigs"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def tokens(self) -> Path:
        return self.root / "tokens.csv"

    @property
    def secrets_keys(self) -> Path:
        return self.root / "secrets.keys"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def redis(self) -> Path:
        return self.root / "redis"

    @property
    def redis_password(self) -> Path:
        return self.root / "redis.password"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def nats_trust(self) -> Path:
        return self.root / "nats-trust.json"

    @property
    def nats_credentials(self) -> Path:
        return self.root / "nats-apiserver.creds"

    @property
    def nats_listeners_seed(self) -> Path:
        return self.root / "nats-listeners.seed"

    @property
    def nodes(self) -> Path:
        return self.root / "nodes"

    @property
    def agents(self) -> Path:
        return self.root / "agents"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def health(self) -> Path:
        return self.root / "health"

    @property
    def lock(self) -> Path:
        return self.root / "supervisor.lock"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def redis_socket(self) -> Path:
        beside = self.redis / "redis.sock"
        if len(os.fsencode(beside)) <= MAX_SOCKET_PATH:
            return beside
        return self.short_directory / "redis.sock"

    @property
    def short_directory(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return SHORT_ROOT / f"backbeat-{os.getuid()}-{digest}"

    def create(self) -> None:
        """Raises UserError."""
        try:
            private_directory(self.root)
            for part in (
                self.kubeconfigs,
                self.pki,
                self.redis,
                self.nats,
                self.nodes,
                self.agents,
                self.logs,
                self.health,
            ):
                private_directory(part)
            if self.redis_socket.parent == self.short_directory:
                _private_in_public(self.short_directory)
        except OSError as err:
            raise UserError(
                f"cannot write in the data-dir {self.root}: {err.strerror}; name another with --data-dir"
            ) from err

    def remove_short_directory(self) -> None:
        """What would be left in /tmp. Only after Redis has ended."""
        if self.short_directory.is_dir() and not self.short_directory.is_symlink():
            (self.short_directory / "redis.sock").unlink(missing_ok=True)
            self.short_directory.rmdir()


def _private_in_public(path: Path) -> None:
    """Somebody else may have made a folder of this name first, to read what we say there."""
    private_directory(path)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise UserError(f"{path} is not a private folder of yours; remove it, or take a shorter --data-dir")
