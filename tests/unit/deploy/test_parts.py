"""What the parts are told, and what they answer to settings that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy import pki
from deploy.parts import PARTS, explain, from_environment, run_part

NATS = "nats://127.0.0.1:1"


@pytest.fixture
def server(tmp_path: Path) -> dict[str, Any]:
    """Settings of an API server that would be accepted."""
    made = pki.ensure(tmp_path)
    return {
        "redis_url": "redis://:hunter2@127.0.0.1:1",
        "nats_url": NATS,
        "tls_cert_file": made.serving,
        "tls_private_key_file": made.serving_key,
        "secrets_key_file": tmp_path / "keys",
    }


@pytest.fixture
def agent(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "kubeconfig").write_text("apiVersion: v1\n")
    return {"kubeconfig": tmp_path / "kubeconfig", "nats_url": NATS, "root_dir": tmp_path, "node_names": ("a",)}


def _refused(part: str, values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that it ends with."""
    assert run_part(part, values) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"backbeat {part}: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("part", sorted(PARTS))
def test_what_is_missing_is_named_with_its_flag_and_its_variable(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed = "--nats (or BACKBEAT_NATS_URL)" if part == "apiserver" else "--kubeconfig (or BACKBEAT_KUBECONFIG)"
    assert f"{needed} is needed" in _refused(part, {}, capsys)


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("redis_url", "http://127.0.0.1", "--redis (or BACKBEAT_REDIS_URL): not a URL of the form redis://host:port"),
        ("redis_url", "unix://", "--redis (or BACKBEAT_REDIS_URL): not a URL of the form"),
        ("nats_url", "127.0.0.1:4222", "--nats (or BACKBEAT_NATS_URL): not a URL of the form nats://host:port"),
        ("nats_url", "nats://host:port", "--nats (or BACKBEAT_NATS_URL): not a URL: "),
        ("port", "70000", "--port (or BACKBEAT_PORT): "),
        ("port", "http", "--port (or BACKBEAT_PORT): "),
        ("tls_cert_file", "/nonexistent", "there is no file /nonexistent; `backbeat up` makes one"),
        ("client_ca_file", "/etc/passwd", "--client-ca-file (or BACKBEAT_CLIENT_CA_FILE): /etc/passwd holds no"),
        ("token_auth_file", "/nonexistent", "--token-auth-file (or BACKBEAT_TOKEN_AUTH_FILE): there is no file"),
        ("service_cluster_ip_range", "10.0.0.1/8", "want a range such as 10.96.0.0/16"),
        ("cluster_name", "A b", "--cluster-name (or BACKBEAT_CLUSTER_NAME): "),
        ("replicas", "9", "--replicas (or BACKBEAT_REPLICAS): "),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_one_line(
    server: dict[str, Any], capsys: pytest.CaptureFixture[str], setting: str, value: str, said: str
) -> None:
    line = _refused("apiserver", {**server, setting: value}, capsys)
    assert said in line
    assert "hunter2" not in line


def test_a_key_of_another_certificate_is_refused(
    server: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = _refused("apiserver", {**server, "tls_private_key_file": tmp_path / "admin.key"}, capsys)
    assert "are not a certificate and its unencrypted key" in line


def test_an_agent_without_its_kubeconfig_is_told_where_to_get_one(
    agent: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    line = _refused("kubelet", {**agent, "kubeconfig": "/nonexistent"}, capsys)
    assert "--kubeconfig (or BACKBEAT_KUBECONFIG): there is no file /nonexistent; `backbeat up` makes one" in line


def test_a_kubelet_with_real_containers_serves_one_node(
    agent: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "exactly one node" in _refused("kubelet", {**agent, "node_names": ("a", "b")}, capsys)


def test_the_environment_gives_what_the_flags_give() -> None:
    environment = {
        "BACKBEAT_NODE_NAMES": "a, b",
        "BACKBEAT_NODE_LABELS": "zone=x,disk=ssd",
        "BACKBEAT_RUNTIME": "sim",
        "BACKBEAT_NATS_URL": NATS,
        "BACKBEAT_KUBECONFIG": "",
        "BACKBEAT_SOMETHING": "else",
    }
    assert from_environment("kubelet", environment) == {
        "node_names": ("a", "b"),
        "node_labels": {"zone": "x", "disk": "ssd"},
        "runtime": "sim",
        "nats_url": NATS,
    }


def test_a_bug_is_not_explained_away() -> None:
    assert explain(ValueError("a bug")) is None
    assert explain(ExceptionGroup("both", [OSError(98, "in use"), ValueError("a bug")])) is None


def test_an_error_out_of_a_task_group_is_explained_like_any_other() -> None:
    assert explain(ExceptionGroup("one", [OSError(98, "cannot listen on 127.0.0.1:1: in use")])) == (
        "cannot listen on 127.0.0.1:1: in use",
        1,
    )
