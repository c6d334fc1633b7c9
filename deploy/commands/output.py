"""What commands print: rows as they come, JSON documents and lines, and colours where a terminal shows them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

TYPE_COLOURS = {"ADDED": "green", "MODIFIED": "yellow", "DELETED": "red", "ERROR": "bold red"}

LAST_WRITE_SECONDS = 0.2
"""What is being written when the end is asked for is most often out by then; and if not, its reader does not read."""

Cell = tuple[str, str]
"""A text and its style; empty: plain."""


class Output:
    """Standard output. `live`: somebody looks on, so every line is shown at once. `sink` takes the text instead."""

    def __init__(self, *, live: bool = False, sink: Callable[[str], None] | None = None) -> None:
        self._live = live or sys.stdout.isatty()
        self._sink = sink
        self._console = Console(highlight=False, soft_wrap=True) if sink is None and sys.stdout.isatty() else None

    @property
    def is_terminal(self) -> bool:
        return self._console is not None

    def line(self, *cells: Cell) -> None:
        """One line of text in pieces."""
        if self._console is None:
            self._write("".join(text for text, _ in cells).rstrip() + "\n")
            return
        self._console.print(Text.assemble(*cells))

    def text(self, lines: str) -> None:
        self._write(lines if lines.endswith("\n") else lines + "\n")

    def json_line(self, document: Any) -> None:
        self._write(orjson.dumps(document).decode() + "\n")

    def json(self, document: Any) -> None:
        self._write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")

    def _write(self, text: str) -> None:
        if self._sink is not None:
            self._sink(text)
            return
        sys.stdout.write(text)
        if self._live:
            sys.stdout.flush()


class Patient:
    """Output whose reader may take its time: what was printed is known to be out after `flush`, and the event loop goes
    on meanwhile. A terminal is written to at once.

    A thread writes, past Python's own buffers: it may be left behind in the middle of a write when the command ends.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="output", daemon=True)
        self._written: asyncio.Future[None] | None = None
        self.output = Output(live=True) if sys.stdout.isatty() else Output(sink=self._texts.append)

    async def flush(self) -> None:
        """Raises OSError where the reader is gone. When it is cancelled, `is_out` tells whether all was written."""
        text = "".join(self._texts)
        self._texts.clear()
        if not text:
            await asyncio.sleep(0)
            return
        if self._thread.ident is None:
            self._thread.start()
        self._written = written = asyncio.get_running_loop().create_future()
        self._waiting.put((text.encode(), written))
        await asyncio.shield(written)

    async def is_out(self) -> bool:
        """All that was to be flushed was written. Waits a moment for what is being written."""
        if self._written is not None and not self._written.done():
            await asyncio.wait({self._written}, timeout=LAST_WRITE_SECONDS)
        return self._written is None or (self._written.done() and self._written.exception() is None)

    def _work(self) -> None:
        descriptor = sys.stdout.fileno()
        while True:
            data, done = self._waiting.get()
            trouble: OSError | None = None
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
            except OSError as err:
                trouble = err
            with contextlib.suppress(RuntimeError):  # the loop is closed: the command has ended
                done.get_loop().call_soon_threadsafe(_settle, done, trouble)


def _settle(done: asyncio.Future[None], trouble: OSError | None) -> None:
    if done.done():
        return
    if trouble is not None:
        done.set_exception(trouble)
    else:
        done.set_result(None)


def note(text: str) -> None:
    """Something that is not data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def columns(rows: Iterable[Sequence[str]], *, gap: int = 3) -> list[str]:
    """Rows of text under each other, as kubectl lays them out."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        (" " * gap).join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
