"""Flags and variables: every setting of a part can be given, and what is no value is refused in words."""

from __future__ import annotations

import importlib
import re
from typing import Any

import click
import pytest
import typer

from deploy.checks import option, variable
from deploy.cli import app
from deploy.parts import PARTS

COMMAND: Any = typer.main.get_command(app)


def _run(*args: str) -> tuple[int, str]:
    from typer.testing import CliRunner

    done = CliRunner().invoke(app, list(args), env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    return done.exit_code, re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", done.output))


PAST = ("replay", "history", "state", "trace", "lag", "subscribe")


@pytest.mark.parametrize("command", ["up", "status", "down", *PAST, *PARTS])
def test_every_command_helps(command: str) -> None:
    code, said = _run(command, "--help")
    assert code == 0
    assert "Usage: " in said


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_needs_has_a_flag_and_each_flag_is_a_setting(part: str) -> None:
    module, _, name = PARTS[part].settings.partition(":")
    fields = getattr(importlib.import_module(module), name).model_fields
    parameters: list[click.Option] = COMMAND.commands[part].params
    flags = {flag for parameter in parameters for flag in parameter.opts}
    variables = {parameter.envvar for parameter in parameters if parameter.envvar}
    assert {option(setting).split()[0] for setting, field in fields.items() if field.is_required()} <= flags
    assert variables <= {variable(setting) for setting in fields}
    assert len(variables) == len(parameters)


def test_a_setting_without_a_flag_is_taken_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr("deploy.parts.run_part", lambda name, values, warn: asked.update(values) or 0)
    monkeypatch.setenv("BACKBEAT_WORKERS", "3")
    monkeypatch.setenv("BACKBEAT_IDENTITY", "from the variable")
    assert _run("controllers", "--identity", "from the flag")[0] == 0
    assert asked == {"workers": "3", "identity": "from the flag"}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("up", "--runtime", "docker"), "want process or sim"),
        (("up", "--port", "70000"), "Invalid value for '--port'"),
        (("up", "--nodes", "-1"), "Invalid value for '--nodes'"),
        (("up", "--nodes", "many"), "Invalid value for '--nodes'"),
        (("status", "-o", "yaml"), "want table or json"),
        (("replay", "-o", "yaml"), "want table or json"),
        (("replay", "--from", "-1"), "Invalid value for '--from'"),
        (("replay", "--from", "1", "--since", "1m"), "give it or --from, not both"),
        (("state", "pods"), "Missing option '--at'"),
        (("state", "pods", "--at", "3", "-o", "xml"), "want table, wide, yaml, json or name"),
        (("history",), "Missing argument 'KIND/NAME'"),
        (("uq",), "No such command 'uq'"),
    ],
)
def test_what_is_no_value_is_refused_in_words(args: tuple[str, ...], said: str) -> None:
    code, output = _run(*args)
    assert code == 2
    assert said in output
    assert "Traceback" not in output
