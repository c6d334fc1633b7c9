"""Byte fields travel as base64. Reads it as Go's `base64.StdEncoding` does, and says where it is wrong as Go does."""

from __future__ import annotations

import binascii
import re

_FOREIGN = re.compile(r"[^A-Za-z0-9+/]")
_BREAKS = str.maketrans("", "", "\r\n")


class NotBase64(ValueError):
    """The text is not base64; the message is Go's."""


def base64_text(text: str) -> str:
    """The same bytes in base64 without line breaks. Raises NotBase64."""
    if _is_base64(text):
        return text
    joined = text.translate(_BREAKS)
    if not _is_base64(joined):
        raise NotBase64(f"illegal base64 data at input byte {_place(text, _first_wrong(joined))}")
    return joined


def _is_base64(text: str) -> bool:
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # not ASCII, or binascii.Error
        return False
    return True


def _first_wrong(joined: str) -> int:
    """The index that Go names: the character that can't stand there, or the start of a group that is cut off."""
    found = _FOREIGN.search(joined)
    if found is None:
        return len(joined) - len(joined) % 4
    at = found.start()
    if found[0] != "=" or at % 4 < 2:
        return at
    if at % 4 == 3:
        return at + 1
    if at + 1 == len(joined):
        return len(joined)
    return at + 2 if joined[at + 1] == "=" else at


def _place(text: str, index: int) -> int:
    """The offset in bytes of the character that has this index when line breaks are not counted."""
    left = index
    for i, character in enumerate(text):
        if character in "\r\n":
            continue
        if left == 0:
            return len(text[:i].encode())
        left -= 1
    return len(text.encode())


def decoded_length(text: str) -> int:
    """How many bytes the base64 stands for, without decoding it."""
    return len(text) * 3 // 4 - text[-2:].count("=")
