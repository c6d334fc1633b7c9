"""Validation of probes and lifecycle hooks: exactly one handler each, with what that handler needs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, required
from apiserver.api.kinds._checks import Errors, check_choice, check_not_negative, check_port
from apiserver.api.kinds._ports import check_port_reference

Handler = dict[str, Any]

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_SCHEMES = ("HTTP", "HTTPS")
_HEADER_NAME = re.compile(r"[-A-Za-z0-9]+")
_HEADER_COMPLAINT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' "
    "(e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
)
_PROBE_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def _check_exec(action: Handler, path: str, errors: Errors) -> None:
    if not action.get("command"):
        errors.append(required(f"{path}.command"))


def _check_http_get(action: Handler, path: str, errors: Errors) -> None:
    if not action.get("path"):
        errors.append(required(f"{path}.path"))
    check_port_reference(action.get("port"), f"{path}.port", errors)
    check_choice(action.get("scheme"), f"{path}.scheme", errors, choices=_SCHEMES)
    for header in action.get("httpHeaders") or ():
        name = header.get("name") or ""
        if not _HEADER_NAME.fullmatch(name):
            errors.append(invalid_value(f"{path}.httpHeaders", name, _HEADER_COMPLAINT))


def _check_tcp_socket(action: Handler, path: str, errors: Errors) -> None:
    check_port_reference(action.get("port"), f"{path}.port", errors)


def _check_grpc(action: Handler, path: str, errors: Errors) -> None:
    check_port(action.get("port") or 0, f"{path}.port", errors)


_ACTIONS: dict[str, Callable[[Handler, str, Errors], None]] = {
    "exec": _check_exec,
    "httpGet": _check_http_get,
    "tcpSocket": _check_tcp_socket,
    "grpc": _check_grpc,
}


def _check_sleep(action: Handler, path: str, errors: Errors, *, grace: int | None) -> None:
    seconds = action.get("seconds") or 0
    if grace is not None and not 0 <= seconds <= grace:
        complaint = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        errors.append(invalid_value(path, seconds, complaint))


def _check_handler(
    handler: Handler, path: str, errors: Errors, *, kinds: tuple[str, ...], grace: int | None = None
) -> None:
    named = [kind for kind in kinds if handler.get(kind) is not None]
    if not named:
        errors.append(required(path, "must specify a handler type"))
        return
    first = named[0]
    if first == "sleep":
        _check_sleep(handler[first], f"{path}.{first}", errors, grace=grace)
    else:
        _ACTIONS[first](handler[first], f"{path}.{first}", errors)
    for other in named[1:]:
        errors.append(forbidden(f"{path}.{other}", "may not specify more than 1 handler type"))


def _check_probe(probe: Handler, path: str, errors: Errors) -> None:
    _check_handler(probe, path, errors, kinds=_PROBE_HANDLERS)
    for field in _PROBE_NUMBERS:
        value = probe.get(field)
        if value is not None and value < 0:
            check_not_negative(value, f"{path}.{field}", errors)
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        errors.append(invalid_value(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))


def check_probes(container: Handler, path: str, errors: Errors) -> None:
    """Liveness and startup succeed at the first success; readiness can't shorten the pod's termination."""
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(field)
        if probe is None:
            continue
        where = f"{path}.{field}"
        _check_probe(probe, where, errors)
        grace, threshold = probe.get("terminationGracePeriodSeconds"), probe.get("successThreshold")
        if field == "readinessProbe":
            if grace is not None:
                complaint = "must not be set for readinessProbes"
                errors.append(invalid_value(f"{where}.terminationGracePeriodSeconds", grace, complaint))
        elif threshold != 1:
            errors.append(invalid_value(f"{where}.successThreshold", threshold or 0, "must be 1"))


_SIGNALS = frozenset(
    (
        *[
            "SIGABRT",
            "SIGALRM",
            "SIGBUS",
            "SIGCHLD",
            "SIGCLD",
            "SIGCONT",
            "SIGFPE",
            "SIGHUP",
            "SIGILL",
            "SIGINT",
            "SIGIO",
            "SIGIOT",
            "SIGKILL",
            "SIGPIPE",
        ],
        *[
            "SIGPOLL",
            "SIGPROF",
            "SIGPWR",
            "SIGQUIT",
            "SIGSEGV",
            "SIGSTKFLT",
            "SIGSTOP",
            "SIGSYS",
            "SIGTERM",
            "SIGTRAP",
            "SIGTSTP",
            "SIGTTIN",
        ],
        *[
            "SIGTTOU",
            "SIGURG",
            "SIGUSR1",
            "SIGUSR2",
            "SIGVTALRM",
            "SIGWINCH",
            "SIGXCPU",
            "SIGXFSZ",
            "SIGRTMIN",
            "SIGRTMAX",
        ],
        *(f"SIGRTMIN+{n}" for n in range(1, 16)),
        *(f"SIGRTMAX-{n}" for n in range(1, 15)),
    )
)
_WINDOWS_SIGNALS = frozenset(("SIGTERM", "SIGKILL"))


def check_lifecycle(lifecycle: Handler | None, path: str, errors: Errors, *, grace: int | None, os: str | None) -> None:
    if not lifecycle:
        return
    for field in ("postStart", "preStop"):
        hook = lifecycle.get(field)
        if hook is not None:
            _check_handler(hook, f"{path}.{field}", errors, kinds=_HOOK_HANDLERS, grace=grace)
    signal = lifecycle.get("stopSignal")
    if signal is None:
        return
    if not os:
        errors.append(forbidden(f"{path}.stopSignal", "may not be set for containers with empty `spec.os.name`"))
        return
    choices = _WINDOWS_SIGNALS if os == "windows" else _SIGNALS
    check_choice(signal, f"{path}.stopSignal", errors, choices=sorted(choices))
