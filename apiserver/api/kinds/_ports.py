"""Ports, wherever a spec has them: by number or by name, with one of three protocols."""

from __future__ import annotations

from apiserver.api.kinds._checks import Errors, check_name, check_port, port_name

PROTOCOLS = ("SCTP", "TCP", "UDP")


def check_port_reference(port: int | str | None, path: str, errors: Errors) -> None:
    """A port by number, or by the name that a container gave it."""
    if isinstance(port, str):
        check_name(port, path, errors, rule=port_name)
    else:
        check_port(port or 0, path, errors)
