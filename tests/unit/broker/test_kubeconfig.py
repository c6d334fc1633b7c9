"""A kubeconfig, or a sentence about what is wrong with it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.kubeconfig import BadKubeconfig, load


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


def test_several_files_are_read_as_one_and_the_first_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    (second / "ca.crt").write_text("CA of the second")
    contexts = [{"name": "other", "context": {"cluster": "far", "user": "u", "namespace": "team"}}]
    clusters = [{"name": "far", "cluster": {"server": "https://far", "certificate-authority": "ca.crt"}}]
    files = (
        write(first, **{"current-context": "other", "contexts": [], "clusters": []}),
        write(second, contexts=contexts, clusters=clusters, users=[{"name": "u", "user": {"token": "unused"}}]),
    )
    config = load(*files)
    assert (config.server, config.ca_data, config.token) == ("https://far", b"CA of the second", "secret")
    assert config.namespace == "team"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"current-context": "other"}, 'no context named "other"'),
        ({"clusters": []}, 'no cluster named "k"'),
        ({"clusters": [{"name": "k", "cluster": {}}]}, "names no server"),
        ({"users": [{"name": "u", "user": {"tokenFile": "absent"}}]}, "token: .*absent"),
        ({"users": [{"name": "u", "user": {"client-key-data": "%%%"}}]}, "client-key"),
        ({"users": [{"name": "u", "user": {"exec": {"command": "x"}}}]}, "credentials by exec are not supported"),
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
