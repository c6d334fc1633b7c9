"""What a kubelet refuses to start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.kubelet.kubelet import subscriber_name
from agents.kubelet.settings import KubeletSettings


def settings(**more: Any) -> KubeletSettings:
    known: dict[str, Any] = {
        "kubeconfig": Path("config"),
        "nats_url": "nats://user:secret@host",
        "root_dir": Path("root"),
        "node_names": ("node-1",),
    }
    return KubeletSettings(**(known | more))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"node_names": ()}, "at least 1 item"),
        ({"node_names": ("a", "b")}, "exactly one node"),
        ({"node_names": ("a", "a"), "runtime": "sim"}, "a name twice"),
        ({"runtime": "cri"}, "Input should be 'process' or 'sim'"),
        ({"heartbeats": {"lease_seconds": 30}}, "at least twice lease_seconds"),
        ({"capacity": {"max_pods": 0}}, "greater than 0"),
        ({"capacity": {"memory": "much"}}, "quantities must match"),
        ({"unknown": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**more)


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(settings())


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "kubelet-node-1"),
        ({"node_names": ("a.b",)}, "kubelet-a.b"),
        ({"node_names": ("n1", "n2", "n3"), "runtime": "sim"}, "kubelet-n1-and-2"),
        ({"subscriber": "mine"}, "mine"),
    ],
)
def test_the_name_of_the_cursor(more: dict[str, Any], name: str) -> None:
    assert subscriber_name(settings(**more)) == name
