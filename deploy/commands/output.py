"""What commands print: rows as they come, JSON documents and lines, and colours where a terminal shows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from rich.console import Console
from rich.text import Text

TYPE_COLOURS = {"ADDED": "green", "MODIFIED": "yellow", "DELETED": "red", "ERROR": "bold red"}

Cell = tuple[str, str]
"""A text and its style; empty: plain."""


class Output:
    """Standard output. `live`: somebody looks on, so every line is shown at once."""

    def __init__(self, *, live: bool = False) -> None:
        self._live = live or sys.stdout.isatty()
        self._console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else None

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
        sys.stdout.write(text)
        if self._live:
            sys.stdout.flush()


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
