"""Warnings of an answer, as upstream sends them: RFC 7234 headers with code 299 and agent `-`.

Bounded as upstream's: once they are long together each is shortened, and past the bound the rest is left out.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_LETTERS = 4096
SHORTENED_LETTERS = 256
MAX_HEADERS = 50
"""Ours: Python's HTTP client takes no more than 100 headers, and would lose the whole answer."""


def headers(texts: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """One header for each text, each once."""
    unique = list(dict.fromkeys(_printable(text) for text in texts))
    if sum(map(len, unique)) > MAX_LETTERS:
        unique = [text[:SHORTENED_LETTERS] for text in unique]
    made: list[tuple[bytes, bytes]] = []
    left = MAX_LETTERS
    for text in unique[:MAX_HEADERS]:
        left -= len(text)
        if left < 0:
            break
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        made.append((b"warning", f'299 - "{quoted}"'.encode()))
    return made


def _printable(text: str) -> str:
    """Control characters would end the header."""
    return "".join(" " if ord(letter) < 32 or ord(letter) == 127 else letter for letter in text)
