"""A kubeconfig, as far as agents need it: the current context's server, CA and credentials."""

from __future__ import annotations

import base64
import ssl
import tempfile
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


def load(file: Path) -> ApiConfig:
    """Raises BadKubeconfig."""
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as err:
        raise BadKubeconfig(f"{file}: {err}") from err
    if not isinstance(document, dict):
        raise BadKubeconfig(f"{file}: not a kubeconfig")
    context = _named(document, "contexts", "context", document.get("current-context", ""), file)
    cluster = _named(document, "clusters", "cluster", context.get("cluster", ""), file)
    user = _named(document, "users", "user", context.get("user", ""), file)
    server = str(cluster.get("server", "")).rstrip("/")
    if not server:
        raise BadKubeconfig(f"{file}: the cluster names no server")
    return ApiConfig(
        server=server,
        ca_data=_bytes(cluster, "certificate-authority", file),
        token=user.get("token") or _bytes(user, "token", file, suffix="File").decode().strip(),
        client_certificate=_bytes(user, "client-certificate", file),
        client_key=_bytes(user, "client-key", file),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _named(document: dict[str, Any], section: str, key: str, name: str, file: Path) -> dict[str, Any]:
    for entry in document.get(section) or ():
        if entry.get("name") == name:
            found: dict[str, Any] = entry.get(key) or {}
            return found
    raise BadKubeconfig(f'{file}: no {key} named "{name}"')


def _bytes(section: dict[str, Any], key: str, file: Path, *, suffix: str = "") -> bytes:
    """`<key>-data` in base64, or the file that `<key>` names, relative to the kubeconfig."""
    data, named = section.get(f"{key}-data"), section.get(key + suffix)
    try:
        if data:
            return base64.b64decode(data, validate=True)
        return (file.parent / named).read_bytes() if named else b""
    except (OSError, ValueError) as err:
        raise BadKubeconfig(f"{file}: {key}: {err}") from err
