"""Says what is wrong with malformed JSON in the words of Go's scanner, which is what upstream's clients read.

Only for bodies that the fast decoder refused. `complaint` returns None when the grammar is fine and the fault lies
elsewhere (text that is not UTF-8, nesting too deep).
"""

from __future__ import annotations

import re

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_NUMBER_PARTS = (
    (re.compile(rb"\.\d+"), b".", "after decimal point in numeric literal"),
    (re.compile(rb"[eE][+-]?\d+"), b"eE", "in exponent of numeric literal"),
)
_HEX = frozenset(b"0123456789abcdefABCDEF")
_LITERALS = {b"t"[0]: b"true", b"f"[0]: b"false", b"n"[0]: b"null"}
_END = "unexpected end of JSON input"


class _Malformed(Exception):
    """The message of Go's scanner."""


class _Scanner:
    """Reads over one document. `position` is where the next byte is read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.open = bytearray()  # the brackets that are not closed yet

    def next(self) -> int:
        """The next byte that is not white space, still unread. Raises at the end."""
        found = _SPACE.match(self.data, self.position)
        self.position = found.end() if found else self.position
        return self.here()

    def here(self) -> int:
        if self.position >= len(self.data):
            raise _Malformed(_END)
        return self.data[self.position]

    def refuse(self, where: str) -> _Malformed:
        character = self.data[self.position]
        return _Malformed(f"invalid character {_quoted(character)} {where}")


def complaint(data: bytes) -> str | None:
    """`invalid character 'x' looking for beginning of value`, or None."""
    scanner = _Scanner(data)
    try:
        _document(scanner)
    except _Malformed as err:
        return str(err)
    return None


def _quoted(character: int) -> str:
    if character == 0x27:
        return r"'\''"
    if character == 0x22:
        return "'\"'"
    named = {0x0A: r"\n", 0x0D: r"\r", 0x09: r"\t", 0x07: r"\a", 0x08: r"\b", 0x0B: r"\v", 0x0C: r"\f", 0x5C: r"\\"}
    if character in named:
        return f"'{named[character]}'"
    if character < 0x20 or character == 0x7F:
        return f"'\\x{character:02x}'"
    # Go quotes the byte as if it were a code point.
    return f"'\\u{character:04x}'" if 0x7F < character < 0xA1 or character == 0xAD else f"'{chr(character)}'"


def _document(scanner: _Scanner) -> None:
    """A loop, not recursion: what a hostile client nests can't exhaust the stack."""
    _value(scanner)
    while scanner.open:
        _after_element(scanner)
    found = _SPACE.match(scanner.data, scanner.position)
    scanner.position = found.end() if found else scanner.position
    if scanner.position < len(scanner.data):
        raise scanner.refuse("after top-level value")


def _value(scanner: _Scanner) -> None:
    """Read a scalar, or open a list or object up to its first element's value."""
    while True:
        character = scanner.next()
        if character == b"{"[0]:
            scanner.position += 1
            if scanner.next() == b"}"[0]:
                scanner.position += 1
                return
            scanner.open.append(character)
            _key(scanner)
        elif character == b"["[0]:
            scanner.position += 1
            if scanner.next() == b"]"[0]:
                scanner.position += 1
                return
            scanner.open.append(character)
        else:
            _scalar(scanner, character)
            return


def _after_element(scanner: _Scanner) -> None:
    character = scanner.next()
    in_object = scanner.open[-1] == b"{"[0]
    scanner.position += 1
    if character == b","[0]:
        if in_object:
            scanner.next()
            _key(scanner)
        _value(scanner)
    elif character == (b"}" if in_object else b"]")[0]:
        scanner.open.pop()
    else:
        scanner.position -= 1
        raise scanner.refuse("after object key:value pair" if in_object else "after array element")


def _key(scanner: _Scanner) -> None:
    if scanner.next() != b'"'[0]:
        raise scanner.refuse("looking for beginning of object key string")
    _string(scanner)
    if scanner.next() != b":"[0]:
        raise scanner.refuse("after object key")
    scanner.position += 1


def _scalar(scanner: _Scanner, character: int) -> None:
    if character == b'"'[0]:
        _string(scanner)
    elif character in _LITERALS:
        _literal(scanner, _LITERALS[character])
    elif character in b"-0123456789":
        _number(scanner)
    else:
        raise scanner.refuse("looking for beginning of value")


def _literal(scanner: _Scanner, word: bytes) -> None:
    for expected in word:
        if scanner.here() != expected:
            raise scanner.refuse(f"in literal {word.decode()} (expecting '{chr(expected)}')")
        scanner.position += 1


def _number(scanner: _Scanner) -> None:
    if scanner.here() == b"-"[0]:
        scanner.position += 1
        if scanner.here() not in b"0123456789":
            raise scanner.refuse("in numeric literal")
    whole = re.compile(rb"0|[1-9]\d*").match(scanner.data, scanner.position)
    scanner.position = whole.end() if whole else scanner.position
    for shape, start, where in _NUMBER_PARTS:
        if scanner.position < len(scanner.data) and scanner.data[scanner.position] in start:
            part = shape.match(scanner.data, scanner.position)
            if part is None:
                scanner.position += 1
                if start == b"eE" and scanner.here() in b"+-":
                    scanner.position += 1
                scanner.here()
                raise scanner.refuse(where)
            scanner.position = part.end()


def _string(scanner: _Scanner) -> None:
    scanner.position += 1
    while True:
        found = _PLAIN.match(scanner.data, scanner.position)
        scanner.position = found.end() if found else scanner.position
        character = scanner.here()
        if character == b'"'[0]:
            scanner.position += 1
            return
        if character != b"\\"[0]:
            raise scanner.refuse("in string literal")
        _escape(scanner)


def _escape(scanner: _Scanner) -> None:
    scanner.position += 1
    character = scanner.here()
    if character not in b'bfnrt\\/"u':
        raise scanner.refuse("in string escape code")
    scanner.position += 1
    if character == b"u"[0]:
        for _ in range(4):
            if scanner.here() not in _HEX:
                raise scanner.refuse("in \\u hexadecimal character escape")
            scanner.position += 1
