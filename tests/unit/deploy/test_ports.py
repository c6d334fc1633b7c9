from __future__ import annotations

import socket

import pytest

from deploy import ports
from deploy.ports import NoFreePort, ephemeral_start, free_port, is_free


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        assert not is_free(listener.getsockname()[1])


def test_the_port_of_before_is_taken_again_while_it_is_free() -> None:
    port = free_port()
    assert free_port(preferred=port) == port
    assert free_port(preferred=port, avoid=frozenset({port})) != port


def test_another_one_is_picked_when_the_port_of_before_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        taken = listener.getsockname()[1]
        assert free_port(preferred=taken) != taken


def test_no_port_is_picked_that_an_outgoing_connection_may_be_given() -> None:
    assert all(ports.LOWEST <= free_port() < ephemeral_start() for _ in range(20))


def test_it_gives_up_when_nothing_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(NoFreePort):
        free_port()
