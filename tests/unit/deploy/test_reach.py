"""What can be told of a URL before anybody connects."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.reach import ALLOW_PLAINTEXT, NATS_PORTS, REDIS_PORTS, complaint, read_along


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/redis.sock",
        "redis://localhost",
        "redis://:password@127.0.0.1:6379/0",
        "redis://[::1]:6379",
        "rediss://redis.example:6380",
        "nats://127.0.0.1:4222,nats://localhost:4223",
        "tls://nats.example:4222",
        "nats://nats.example:4222?ca=/etc/ca.pem",
        "wss://nats.example",
    ],
)
def test_nobody_reads_along_on_this_machine_or_over_tls(url: str) -> None:
    assert read_along(url) == ""


@pytest.mark.parametrize(
    ("url", "better"),
    [
        ("redis://redis", "rediss://"),
        ("redis://:hunter2@10.0.0.5:6379", "rediss://"),
        ("nats://127.0.0.1:4222,nats://10.0.0.5:4222", "tls://"),
        ("nats://localhost.example:4222", "tls://"),
        ("ws://nats.example", "wss://"),
    ],
)
def test_plain_text_over_a_network_is_refused_unless_the_user_knows(
    monkeypatch: pytest.MonkeyPatch, url: str, better: str
) -> None:
    monkeypatch.delenv(ALLOW_PLAINTEXT, raising=False)
    said = read_along(url)
    assert f"use {better}, or set {ALLOW_PLAINTEXT}=1" in said
    assert "hunter2" not in said
    monkeypatch.setenv(ALLOW_PLAINTEXT, "1")
    assert read_along(url) == ""


def test_what_stands_behind_the_question_mark_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    there, gone = tmp_path / "ca.pem", tmp_path / "none"
    assert complaint(f"rediss://h?ca={there}", REDIS_PORTS) == ""
    assert complaint(f"tls://h?ca={there}&credentials={there}", NATS_PORTS) == ""
    assert complaint(f"rediss://h?ca={gone}", REDIS_PORTS) == f"ca: there is no file {gone}"
    assert complaint(f"nats://h?credentials={gone}", NATS_PORTS) == f"credentials: there is no file {gone}"
    assert "takes db, password, username behind the question mark, and no ca" in complaint(
        f"redis://h?ca={there}", REDIS_PORTS
    )
    assert "and no token" in complaint("nats://h?token=x", NATS_PORTS)
