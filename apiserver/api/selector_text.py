"""The grammar of label selectors in text: `app=web,tier in (a, b),!old,x>3`.

One scanner and one recursive descent, the same in their verdicts and words as `k8s.io/apimachinery/pkg/labels`.
Linear in the length of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from apiserver.api import names
from apiserver.api.fielderrors import invalid_value

_BINARY = "in, notin, =, ==, !=, gt, lt"
_SYMBOLS = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_WORD = re.compile(r"[^=!(),<> \t\r\n\0]+")
_SPECIAL = re.compile(r"[=!(),<>]")
_SPACE = re.compile(r"[ \t\r\n]*")


class SelectorError(ValueError):
    """The text is not a selector, or the selector can't be used here; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One requirement as written. The key is a valid label key; values are not checked yet."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """One of `_SYMBOLS`, `word`, `end` or `error`."""
    text: str


_END = _Token("end", "")


def requirements_of(text: str) -> list[Parsed]:
    """Raises SelectorError."""
    return _Parser(_scan(text)).all()


def _scan(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        if at >= len(text) or text[at] == "\0":
            return [*tokens, _END]
        word = _WORD.match(text, at)
        if word is not None:
            tokens.append(_Token(word[0] if word[0] in _SYMBOLS else "word", word[0]))
            at = word.end()
        else:
            tokens.append(_symbol(text, at))
            at += len(tokens[-1].text) if tokens[-1].kind != "error" else 1


def _symbol(text: str, at: int) -> _Token:
    """The longest symbol that starts here."""
    pair = text[at : at + 2]
    for candidate in (pair, text[at]):
        if candidate in _SYMBOLS:
            return _Token(candidate, candidate)
    return _Token("error", f"error expected: keyword found '{text[at]}'")


class _Parser:
    """Walks the tokens once. `in` and `notin` are words wherever no operator is expected."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def all(self) -> list[Parsed]:
        found: list[Parsed] = []
        while self._peek().kind != "end":
            if self._peek().kind not in ("word", "!"):
                raise SelectorError(f"found '{self._peek().text}', expected: !, identifier, or 'end of string'")
            found.append(self._requirement())
            after = self._next()
            if after.kind == "end":
                break
            if after.kind != ",":
                raise SelectorError(f"found '{after.text}', expected: ',' or 'end of string'")
            if self._peek().kind not in ("word", "!"):
                raise SelectorError(f"found '{self._peek().text}', expected: identifier after ','")
        return found

    def _peek(self, *, operator: bool = False) -> _Token:
        token = self._tokens[min(self._at, len(self._tokens) - 1)]
        return _Token("word", token.text) if not operator and token.kind in ("in", "notin") else token

    def _next(self, *, operator: bool = False) -> _Token:
        token = self._peek(operator=operator)
        self._at += 1
        return token

    def _requirement(self) -> Parsed:
        negated = self._peek().kind == "!"
        if negated:
            self._next()
        key = self._key()
        if negated:
            return Parsed(key, "!")
        if self._peek().kind in ("end", ","):
            return Parsed(key, "exists")
        operator = self._next(operator=True)
        if operator.kind in ("in", "notin"):
            return Parsed(key, operator.kind, self._set())
        if operator.kind in ("=", "==", "!=", ">", "<"):
            return Parsed(key, operator.kind, (self._exact(),))
        raise _unparsed(f"found '{operator.text}', expected: {_BINARY}")

    def _key(self) -> str:
        token = self._next()
        if token.kind != "word":
            raise _unparsed(f"found '{token.text}', expected: identifier")
        if complaints := names.qualified_name(token.text):
            told = str(invalid_value("<nil>", token.text, "; ".join(complaints)))
            raise _unparsed(told)
        return token.text

    def _exact(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._next()
        if token.kind != "word":
            raise _unparsed(f"found '{token.text}', expected: identifier")
        return token.text

    def _set(self) -> tuple[str, ...]:
        opened = self._next()
        if opened.kind != "(":
            raise _unparsed(f"found '{opened.text}' expected: '('")
        first = self._peek()
        if first.kind == ")":
            self._next()
            return ("",)
        if first.kind not in ("word", ","):
            raise _unparsed(f"found '{first.text}', expected: ',', ')' or identifier")
        return self._members()

    def _members(self) -> tuple[str, ...]:
        """Up to the closing parenthesis. Nothing between two commas is the empty value."""
        values: list[str] = []
        expected_value = True
        while True:
            token = self._next()
            if token.kind == "word" and expected_value:
                values.append(token.text)
                expected_value = False
            elif token.kind in (",", ")"):
                if expected_value:
                    values.append("")
                if token.kind == ")":
                    return tuple(values)
                expected_value = True
            else:
                expected = "',', or identifier" if expected_value else "',' or ')'"
                raise _unparsed(f"found '{token.text}', expected: {expected}")


def _unparsed(why: str) -> SelectorError:
    return SelectorError(f"unable to parse requirement: {why}")
