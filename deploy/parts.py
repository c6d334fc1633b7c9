"""The parts that run as processes of their own: their settings from text values, their entries, their errors.

`backbeat <part>` gets the values from flags and environment, `deploy.part` from the environment alone. What a user did
wrong ends with one line on standard error and exit code 2; starting again does not help. A server that is away is no
error: parts wait for what they need.
"""

from __future__ import annotations

import importlib
import socket
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from deploy import collector
from deploy.checks import BadSetting, check, check_files, option, unreachable, variable

EXIT_USAGE = 2
EXIT_FAILED = 1
EXIT_LOST_LEADERSHIP = 75
"""EX_TEMPFAIL: start it again. Also where another history was put in place of the one that the process knows."""

NOT_OPTIONS = frozenset({"heartbeats", "capacity", "pressure"})
"""Groups of settings: too much for one flag or variable."""

USER_ERRORS = frozenset({"BadKubeconfig", "KeyFileError", "TokenFileError", "StateDirInUse", "AddressesExhausted"})
"""By name, so that no part needs to import what only another raises."""


@dataclass(frozen=True, slots=True)
class Part:
    """Names, so that only what one process needs is imported."""

    name: str
    settings: str
    entry: str
    stands_for_election: bool = False


PARTS = {
    part.name: part
    for part in (
        Part("apiserver", "apiserver.settings:ServerSettings", "apiserver.main:run"),
        Part("controllers", "agents.controllers.settings:ControllerSettings", "agents.controllers.main:run", True),
        Part("scheduler", "agents.scheduler.settings:SchedulerSettings", "agents.scheduler.main:run", True),
        Part("kubelet", "agents.kubelet.settings:KubeletSettings", "agents.kubelet.main:run"),
    )
}


def from_environment(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the environment gives for a part; lists are separated by commas."""
    model: type[BaseModel] = _load(PARTS[name].settings)
    given = {field: environment.get(variable(field), "") for field in model.model_fields if field not in NOT_OPTIONS}
    return {field: _structured(field, text) for field, text in given.items() if text}


def _structured(field: str, text: str) -> Any:
    if field in ("node_names", "nats_public_urls"):
        return names([text])
    if field == "node_labels":
        return labels([text])
    return text


def names(words: Iterable[str]) -> tuple[str, ...]:
    """Each word may hold several, separated by commas."""
    return tuple(name.strip() for word in words for name in word.split(",") if name.strip())


def labels(words: Iterable[str]) -> dict[str, str]:
    """`key=value` each, or several separated by commas."""
    pairs = [pair.partition("=") for pair in names(words)]
    return {key.strip(): value.strip() for key, _, value in pairs}


def run_part(name: str, values: Mapping[str, Any], *, warn: bool = False) -> int:
    """Run until it is told to stop. Returns the exit code. `warn`: say at the start which servers are away."""
    part = PARTS[name]
    collector.relax()
    try:
        settings = _settings(part, values)
        for line in unreachable(settings) if warn else ():
            _say(f"backbeat {name}: {line}")
        entry = _load(part.entry)
        collector.keep_what_is_loaded()
        entry(settings)
    except KeyboardInterrupt:
        return 0
    except Exception as err:
        told = explain(err)
        if told is None:
            raise  # a bug: the traceback is wanted
        message, code = told
        _say(f"backbeat {name}: {message}")
        return code
    return 0


def _settings(part: Part, given: Mapping[str, Any]) -> BaseModel:
    model: type[BaseModel] = _load(part.settings)
    check_files(given)
    identity = {}
    if part.stands_for_election and "identity" not in given:
        identity = {"identity": f"{socket.gethostname()}_{uuid.uuid4()}"}  # upstream's form; no two are the same
    settings = model(**given, **identity)
    check(settings)
    return settings


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def explain(err: BaseException) -> tuple[str, int] | None:
    """The line for the user, and the exit code. None for what is not the user's doing."""
    if isinstance(err, BaseExceptionGroup):
        told = [explain(inner) for inner in err.exceptions]
        known = [entry for entry in told if entry is not None]
        return known[0] if known and len(known) == len(told) else None
    if isinstance(err, ValidationError):
        return "; ".join(_complaints(err)), EXIT_USAGE
    if type(err).__name__ == "LostLeadership":
        return "another one leads now; start again", EXIT_LOST_LEADERSHIP
    if type(err).__name__ == "HistoryReplaced":
        return str(err), EXIT_LOST_LEADERSHIP
    if isinstance(err, BadSetting) or type(err).__name__ in USER_ERRORS:
        return str(err), EXIT_USAGE
    if isinstance(err, OSError):
        where = f"{err.filename}: " if err.filename else ""
        return f"{where}{err.strerror or err}", EXIT_FAILED
    return None


def _complaints(err: ValidationError) -> Iterator[str]:
    for error in err.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else ""
        if error["type"] == "missing":
            yield f"{option(name)} is needed"
        else:
            said = error["msg"].removeprefix("Value error, ")
            yield f"{option(name)}: {said}" if name else said
