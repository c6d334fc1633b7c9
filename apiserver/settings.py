"""What an API server is told at its start. `deploy.cli` reads flags and environment; everything else gets this."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The largest request body that is read (upstream: `MaxRequestBodyBytes`, 3 MiB)."""

MAX_OBJECT_BYTES = 1_572_864
"""The largest object that is stored: 1.5 MiB, etcd's `--max-request-bytes`, so that the same objects fit."""


class ServerSettings(BaseModel):
    """One API server process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: SecretStr
    """`unix://user:password@/path/redis.sock`, `redis://` or `rediss://user:password@host:port?ca=/path/to/ca.pem`."""
    nats_url: SecretStr
    """`nats://host:port?credentials=/path/to/file.creds`, or `nats://user:password@host:port`; `tls://…?ca=/path` with
    TLS; several are separated by commas."""
    nats_listeners_seed_file: Path | None = None
    """The key of the account that subscribers belong to: with it the server signs their credentials. None: subscribers
    need credentials from whoever owns NATS."""
    nats_public_urls: tuple[str, ...] = ()
    """Where subscribers find NATS, if not under `nats_url`."""
    nats_ca_file: Path | None = None
    """The CA that subscribers should trust NATS by; None: the one of `nats_url`, if that names one."""
    bind_address: str = "127.0.0.1"
    port: int = Field(default=6443, ge=0, le=65535)
    """0 picks a free port, which the log names."""
    listen_fd: int | None = Field(default=None, ge=3)
    """An open socket on that address and port, which whoever started the process keeps: clients then wait, and are not
    refused, while this process is started again."""
    tls_cert_file: Path
    tls_private_key_file: Path
    client_ca_file: Path | None = None
    """Client certificates signed by this CA are accepted; None: tokens only."""
    token_auth_file: Path | None = None
    """CSV lines `token,user,uid,"group1,group2"`, as kube-apiserver's `--token-auth-file`."""
    service_account_key_file: Path | None = None
    secrets_key_file: Path | None = None
    """Keys that Secrets are encrypted with, the first one writes; created when missing."""
    secrets_keys: SecretStr | None = None
    """The same without a file: base64 keys, separated by commas or spaces. They come before those of the file."""
    cluster_name: str = Field(default="backbeat", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    """The hash tag of the Redis keys: one Redis may hold several control planes."""
    health_file: Path | None = None
    replicas: int = Field(default=1, ge=1, le=5)
    """Copies of the stream that JetStream keeps; needs as many nats-servers."""
    stream_max_age_seconds: float = Field(default=86_400, gt=0)
    """How far back a watch may resume. 24 hours."""
    stream_max_bytes: int = Field(default=10 * 1024**3, gt=0)
    outbox_limit_entries: int = Field(default=1_000_000, gt=0)
    """Unpublished changes that may wait while NATS is away; then writes are refused with 503."""
    service_cluster_ip_range: str = "10.96.0.0/16"
    watch_lag_limit_bytes: int = Field(default=64 * 1024**2, gt=0)
    """A watcher that has more than this yet to read is cut off, so that slow ones cost a bounded amount of memory."""
    request_timeout_seconds: float = Field(default=60.0, gt=0)
    """For every request that is not a watch or a followed log (upstream: `--request-timeout`)."""

    @model_validator(mode="after")
    def _files_exist(self) -> ServerSettings:
        named = (
            self.tls_cert_file, self.tls_private_key_file, self.client_ca_file, self.token_auth_file,
            self.nats_listeners_seed_file, self.nats_ca_file,
        )  # fmt: skip
        for path in named:
            if path is not None and not path.is_file():
                raise ValueError(f"no such file: {path}")
        if self.secrets_key_file is None and not (self.secrets_keys and self.secrets_keys.get_secret_value().strip()):
            raise ValueError("Secrets need a key: name a secrets_key_file, or give secrets_keys")
        return self
