"""A kubeconfig, or a sentence about what is wrong with it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from agents.client.config import BadKubeconfig, load


def write(tmp_path: Path, **changes: Any) -> Path:
    document = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": "https://x:1/", "certificate-authority-data": _b64("CA")}}
        ],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        **changes,
    }  # fmt: skip
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_current_context_is_used_and_the_token_is_never_printed(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    assert (config.server, config.ca_data, config.token) == ("https://x:1", b"CA", "secret")
    assert "secret" not in repr(config)


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    (tmp_path / "ca.crt").write_text("CA file")
    clusters = [{"name": "k", "cluster": {"server": "https://x", "certificate-authority": "ca.crt"}}]
    config = load(write(tmp_path, clusters=clusters, users=[{"name": "u", "user": {"tokenFile": "token"}}]))
    assert (config.token, config.ca_data) == ("from-file", b"CA file")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"current-context": "other"}, 'no context named "other"'),
        ({"clusters": []}, 'no cluster named "k"'),
        ({"clusters": [{"name": "k", "cluster": {}}]}, "names no server"),
        ({"users": [{"name": "u", "user": {"tokenFile": "absent"}}]}, "token: .*absent"),
        ({"users": [{"name": "u", "user": {"client-key-data": "%%%"}}]}, "client-key"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(BadKubeconfig, match=says):
        load(write(tmp_path, **changes))


@pytest.mark.parametrize("text", ["[]", "a: [", ""])
def test_what_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(BadKubeconfig):
        load(file)
    with pytest.raises(BadKubeconfig, match="absent"):
        load(tmp_path / "absent")
