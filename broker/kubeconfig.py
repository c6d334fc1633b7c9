"""A kubeconfig, as far as a client needs it: the current context's server, CA, credentials and namespace.

Of several files that are read as one, as in $KUBECONFIG, the first that has something wins.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


class BadKubeconfig(ValueError):
    """The file cannot be used. The message names what is wrong."""


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the API server is and who is asking."""

    server: str
    ca_data: bytes = b""
    token: str = field(default="", repr=False)
    client_certificate: bytes = field(default=b"", repr=False)
    client_key: bytes = field(default=b"", repr=False)
    insecure: bool = False
    namespace: str = ""
    """The one that the context names for commands that name none."""

    def ssl_context(self) -> ssl.SSLContext | None:
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_data.decode() or None)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.client_certificate:
            _load_certificate(context, self.client_certificate, self.client_key)
        return context


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The ssl module reads certificates from files only; this one is gone when the function returns."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)


@dataclass(frozen=True, slots=True)
class _Section:
    """An entry of a kubeconfig, and the file that its paths are relative to."""

    entry: dict[str, Any]
    file: Path

    def text(self, key: str) -> str:
        return str(self.entry.get(key) or "")

    def bytes_of(self, key: str, *, suffix: str = "") -> bytes:
        """`<key>-data` in base64, or the file that `<key>` names. Raises BadKubeconfig."""
        data, named = self.entry.get(f"{key}-data"), self.entry.get(key + suffix)
        try:
            if data:
                return base64.b64decode(data, validate=True)
            return (self.file.parent / named).read_bytes() if named else b""
        except (OSError, ValueError) as err:
            raise BadKubeconfig(f"{self.file}: {key}: {err}") from err


def load(*files: Path) -> ApiConfig:
    """Raises BadKubeconfig."""
    documents = {file: _read(file) for file in files}
    current = next((str(d["current-context"]) for d in documents.values() if d.get("current-context")), "")
    context = _named(documents, "contexts", "context", current)
    cluster = _named(documents, "clusters", "cluster", context.text("cluster"))
    user = _named(documents, "users", "user", context.text("user"))
    server = cluster.text("server").rstrip("/")
    if not server:
        raise BadKubeconfig(f"{cluster.file}: the cluster names no server")
    config = ApiConfig(
        server=server,
        ca_data=cluster.bytes_of("certificate-authority"),
        token=user.text("token") or user.bytes_of("token", suffix="File").decode().strip(),
        client_certificate=user.bytes_of("client-certificate"),
        client_key=user.bytes_of("client-key"),
        insecure=bool(cluster.entry.get("insecure-skip-tls-verify")),
        namespace=context.text("namespace"),
    )
    _check_usable(config, user)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError) as err:
        raise BadKubeconfig(f"{file}: {err}") from err
    if not isinstance(document, dict):
        raise BadKubeconfig(f"{file}: not a kubeconfig")
    return document


def _named(documents: Mapping[Path, dict[str, Any]], section: str, key: str, name: str) -> _Section:
    for file, document in documents.items():
        for entry in document.get(section) or ():
            if entry.get("name") == name:
                return _Section(entry.get(key) or {}, file)
    raise BadKubeconfig(f'{", ".join(map(str, documents))}: no {key} named "{name}"')


def _check_usable(config: ApiConfig, user: _Section) -> None:
    """Without what a plugin would tell, the server would see somebody anonymous, and refuse in words that mislead."""
    plugin = next((key for key in ("exec", "auth-provider") if user.entry.get(key)), "")
    if plugin and not config.token and not config.client_certificate:
        raise BadKubeconfig(f"{user.file}: credentials by {plugin} are not supported: use a token or a certificate")
