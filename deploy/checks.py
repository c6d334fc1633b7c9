"""What can be told of a part's settings before it starts: files that are missing, certificates that do not match, URLs
that are none. Each complaint names the flag, the variable, and what to do."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from deploy.reach import API_PORTS, NATS_PORTS, REDIS_PORTS, complaint, read_along, why_unreachable

PREFIX = "BACKBEAT_"
FLAGS = {"redis_url": "--redis", "nats_url": "--nats", "node_names": "--node", "node_labels": "--node-label"}
"""Where a flag is not called as its setting."""
FROM_UP = "`backbeat up` makes one for each part in <data-dir>/kubeconfigs"
MUST_EXIST = {
    "kubeconfig": FROM_UP,
    "tls_cert_file": "`backbeat up` makes one: <data-dir>/pki/serving.crt",
    "tls_private_key_file": "`backbeat up` makes one: <data-dir>/pki/serving.key",
    "client_ca_file": "leave it away to accept tokens only",
    "token_auth_file": 'write lines of token,user,uid,"group1,group2", or leave it away',
    "service_account_key_file": "leave it away",
}
URLS = {"redis_url": REDIS_PORTS, "nats_url": NATS_PORTS}


class BadSetting(ValueError):
    """A part cannot work with what it was told. The message says what to do."""


def option(setting: str) -> str:
    return f"{FLAGS.get(setting, '--' + setting.replace('_', '-'))} (or {variable(setting)})"


def variable(setting: str) -> str:
    return PREFIX + setting.upper()


def check_files(values: Mapping[str, Any]) -> None:
    """Before the settings are made of the values. Raises BadSetting."""
    for setting, advice in MUST_EXIST.items():
        path = values.get(setting)
        if path is not None and not Path(path).is_file():
            raise BadSetting(f"{option(setting)}: there is no file {path}; {advice}")


def check(settings: BaseModel) -> None:
    """Raises BadSetting."""
    for setting, url, ports in _urls(settings):
        why = complaint(url, ports) or read_along(url)
        if why:
            raise BadSetting(f"{option(setting)}: {why}")
    for url in getattr(settings, "nats_public_urls", ()):
        if why := complaint(url, NATS_PORTS) or read_along(url):
            raise BadSetting(f"{option('nats_public_urls')}: {why}")
    values = dict(settings)
    if "tls_cert_file" in values:
        _check_tls(values["tls_cert_file"], values["tls_private_key_file"], values["client_ca_file"])
    if "service_cluster_ip_range" in values:
        _check_range(values["service_cluster_ip_range"])


def _check_tls(certificate: Path, key: Path, client_ca: Path | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as err:
        raise BadSetting(
            f"{option('tls_cert_file')}: {certificate} and {key} are not a certificate and its unencrypted key in PEM "
            f"({err.strerror or err})"
        ) from err
    try:
        if client_ca is not None:
            context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as err:
        raise BadSetting(f"{option('client_ca_file')}: {client_ca} holds no certificate in PEM") from err


def _check_range(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as err:
        raise BadSetting(f"{option('service_cluster_ip_range')}: {err}; want a range such as 10.96.0.0/16") from err


def unreachable(settings: BaseModel) -> Iterator[str]:
    """A line for each server that does not answer now. Raises BadKubeconfig."""
    for setting, url, ports in [*_urls(settings), *_api_server(settings)]:
        why = why_unreachable(url, ports)
        if why:
            yield f"{option(setting)}: cannot reach {why}. Is it running? Trying on"


def _urls(settings: BaseModel) -> Iterator[tuple[str, str, dict[str, int]]]:
    for setting, ports in URLS.items():
        secret = getattr(settings, setting, None)
        if secret is not None:
            yield setting, secret.get_secret_value(), ports


def _api_server(settings: BaseModel) -> Iterator[tuple[str, str, dict[str, int]]]:
    path = getattr(settings, "kubeconfig", None)
    if path is not None:
        from agents.client.config import load

        yield "kubeconfig", load(path).server, API_PORTS
