"""What `backbeat up` tells its user, on a terminal, in a plain stream, or over a pipe to the command that detached it.

Everything is an `Event`, so a detached supervisor says the same as one in the foreground.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


@dataclass(frozen=True, slots=True)
class Event:
    """`kind`: begin, waiting, done, note, ready, failed, stopping, stopped."""

    kind: str
    text: str = ""
    seconds: float = 0.0


class Reporter(Protocol):
    def tell(self, event: Event) -> None: ...


def summary(*, server: str, kubeconfig: Path, nodes: int, logs: Path, detached: bool, data_dir: Path) -> str:
    plural = "" if nodes == 1 else "s"
    end = f"backbeat down --data-dir {shlex.quote(str(data_dir))}" if detached else "Ctrl-C"
    return (
        f"backbeat is up: {server}, {nodes} node{plural}\n"
        f"    export KUBECONFIG={shlex.quote(str(kubeconfig))}\n"
        f"logs in {logs}; {end} ends it"
    )


class PlainReporter:
    """A line for each event but `waiting`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def tell(self, event: Event) -> None:
        line = plain_line(event)
        if line:
            print(line, file=self._out, flush=True)


def plain_line(event: Event) -> str:
    match event.kind:
        case "waiting":
            return ""
        case "done":
            return f"  {event.text:<22} ready after {event.seconds:.1f} s"
        case "failed":
            return f"error: {event.text}"
        case _:
            return event.text


class TerminalReporter:
    """Colours, and a spinner that names what is being waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def tell(self, event: Event) -> None:
        match event.kind:
            case "waiting":
                self._wait(event.text)
            case "done":
                self._print(f"[green]✓[/] {event.text:<22} [dim]{event.seconds:.1f} s[/]")
            case "failed":
                self._rest()
                self._console.print(f"[red]error:[/] {_escaped(event.text)}", soft_wrap=True)
            case "ready":
                self._rest()
                head, _, rest = event.text.partition("\n")
                self._console.print(f"[bold green]{_escaped(head)}[/]\n{_escaped(rest)}", soft_wrap=True)
            case "stopped":
                self._rest()
            case _:
                self._print(_escaped(event.text))

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def _wait(self, text: str) -> None:
        if self._status is None:
            self._status = self._console.status(_escaped(text))
            self._status.start()
        self._status.update(_escaped(text))

    def _rest(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


class Lasting:
    """Goes on when nobody reads any more: a terminal that was closed must not keep us from ending in order."""

    def __init__(self, inner: Reporter) -> None:
        self._inner: Reporter | None = inner

    def tell(self, event: Event) -> None:
        if self._inner is None:
            return
        try:
            self._inner.tell(event)
        except OSError:
            self._inner = None


def reporter_for(out: TextIO) -> Reporter:
    if not out.isatty():
        return Lasting(PlainReporter(out))
    from rich.console import Console

    return Lasting(TerminalReporter(Console(file=out, highlight=False)))


class PipeReporter:
    """To the process that waits for us; once it is gone, or all is ready, to our own output."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._after = PlainReporter(sys.stdout)

    def tell(self, event: Event) -> None:
        if self._descriptor >= 0:
            try:
                os.write(self._descriptor, json.dumps(asdict(event)).encode() + b"\n")
            except BrokenPipeError:
                self._close()
        self._after.tell(event)
        if event.kind in ("ready", "stopped"):
            self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def events_of(descriptor: int) -> Iterator[Event]:
    """What a PipeReporter says at the other end, until it closes."""
    with os.fdopen(descriptor, "r") as lines:
        for line in lines:
            yield Event(**json.loads(line))
