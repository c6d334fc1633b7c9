"""Kubeconfigs with a bearer token; everything they need stands in them, so they may be copied elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from deploy.files import write_private

CLUSTER = "backbeat"


def kubeconfig(*, server: str, ca_pem: bytes, user: str, token: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CLUSTER,
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(ca_pem).decode()},
            }
        ],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CLUSTER, "context": {"cluster": CLUSTER, "user": user}}],
        "current-context": CLUSTER,
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def write_kubeconfig(path: Path, *, server: str, ca_pem: bytes, user: str, token: str) -> None:
    """Left alone when it says the same already, so that a watcher of the file sees no change where there is none."""
    text = kubeconfig(server=server, ca_pem=ca_pem, user=user, token=token)
    if not path.exists() or path.read_text() != text:
        write_private(path, text)
