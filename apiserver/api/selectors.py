"""Label and field selectors: parsed once, then asked of many objects.

`LabelSelector` comes from the text of a query (`parse`) or from a LabelSelector in a spec (`from_object`);
`FieldSelector` from text. Both are values: equal selectors have equal `key`s, whatever the order in which they were
written, and watchers of equal selectors share their work. The grammar and the words of the errors are upstream's
(`k8s.io/apimachinery/pkg/labels`, `.../fields`). Thread-safe; nothing changes after construction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from apiserver.api import names
from apiserver.api.fielderrors import invalid_value
from apiserver.api.selector_text import Parsed, SelectorError, requirements_of

Operator = Literal["=", "!=", "in", "notin", "exists", "!", ">", "<"]

_MAX_INT64 = 2**63 - 1
_OBJECT_OPERATORS: Mapping[str, Operator] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}

__all__ = [
    "FieldRequirement",
    "FieldSelector",
    "LabelSelector",
    "Requirement",
    "SelectorError",
    "integer",
]


def integer(text: str) -> int | None:
    """A decimal signed 64-bit integer as Go's ParseInt reads it, or None."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 400:
        return None
    number = int(text)
    return number if -_MAX_INT64 - 1 <= number <= _MAX_INT64 else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one key must hold. `values` are sorted and unique."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        have, bound = integer(value or ""), integer(self.values[0])
        if have is None or bound is None:
            return False
        return have > bound if self.operator == ">" else have < bound

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
        return f"{self.key}{self.operator}{self.values[0]}"


class LabelSelector:
    """All of its requirements must hold; one without requirements selects everything."""

    def __init__(self, requirements: Sequence[Requirement] = ()) -> None:
        self.requirements = tuple(sorted(requirements, key=lambda r: (r.key, r.operator, r.values)))

    @cached_property
    def key(self) -> str:
        """The selector as text in one order; parsing it gives an equal selector."""
        return ",".join(str(r) for r in self.requirements)

    def __str__(self) -> str:
        return self.key

    def __repr__(self) -> str:
        return f"LabelSelector({self.key!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelSelector) and self.requirements == other.requirements

    def __hash__(self) -> int:
        return hash(self.requirements)

    @property
    def is_empty(self) -> bool:
        return not self.requirements

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        have = labels or {}
        return all(r.matches(have) for r in self.requirements)

    @staticmethod
    def parse(text: str) -> LabelSelector:
        """`app=web,tier in (a,b),!old,x>3`. Raises SelectorError."""
        return _parse_labels(text)

    @staticmethod
    def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
        """From `{"matchLabels": …, "matchExpressions": …}`; None selects nothing, `{}` everything.

        Raises SelectorError for an operator or a value that validation would have refused.
        """
        if selector is None:
            return _NOTHING
        wanted = [Requirement(k, "=", (v,)) for k, v in (selector.get("matchLabels") or {}).items()]
        wanted += [_from_expression(e) for e in selector.get("matchExpressions") or ()]
        return LabelSelector(wanted)

    @staticmethod
    def from_labels(labels: Mapping[str, str] | None) -> LabelSelector:
        """Exactly these values, as Services and ReplicationControllers select; none select everything."""
        return LabelSelector([Requirement(k, "=", (v,)) for k, v in (labels or {}).items()])

    @staticmethod
    def nothing() -> LabelSelector:
        return _NOTHING


class _Nothing(LabelSelector):
    """Selects no object. Its key can't be written as a selector, so it never meets another one's."""

    @property
    def is_empty(self) -> bool:
        return False

    @cached_property
    def key(self) -> str:
        return "<nothing>"

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Nothing)

    def __hash__(self) -> int:
        return hash(self.key)


_NOTHING = _Nothing()


@lru_cache(maxsize=1024)
def _parse_labels(text: str) -> LabelSelector:
    return LabelSelector([_from_parsed(p) for p in requirements_of(text)])


def _from_parsed(parsed: Parsed) -> Requirement:
    values = tuple(sorted(set(parsed.values)))
    operator: Operator = "=" if parsed.operator == "==" else parsed.operator  # type: ignore[assignment]
    problems = _bound_problems(operator, values) + _value_problems(parsed.key, values)
    if problems:
        told = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise SelectorError(f"unable to parse requirement: {told}")
    return Requirement(parsed.key, operator, values)


def _bound_problems(operator: str, values: Sequence[str]) -> list[str]:
    if operator not in (">", "<"):
        return []
    told = "for 'Gt', 'Lt' operators, the value must be an integer"
    return [str(invalid_value(f"values[{i}]", v, told)) for i, v in enumerate(values) if integer(v) is None]


def _value_problems(key: str, values: Sequence[str]) -> list[str]:
    found = []
    for i, value in enumerate(values):
        if complaints := names.label_value(value):
            found.append(str(invalid_value(f"values[{i}][{key}]", value, "; ".join(complaints))))
    return found


def _from_expression(expression: Mapping[str, Any]) -> Requirement:
    told = expression.get("operator", "")
    operator = _OBJECT_OPERATORS.get(told)
    if operator is None:
        raise SelectorError(f'"{told}" is not a valid label selector operator')
    values = tuple(sorted(set(expression.get("values") or ())))
    if operator in ("in", "notin") and not values:
        raise SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("exists", "!") and values:
        raise SelectorError("values: Invalid value: values set must be empty for exists and does not exist")
    return Requirement(expression.get("key", ""), operator, values)


@dataclass(frozen=True, slots=True)
class FieldRequirement:
    """A field and the value that it must, or must not, have."""

    field: str
    operator: Literal["=", "!="]
    value: str

    def matches(self, fields: Mapping[str, str]) -> bool:
        return (fields.get(self.field, "") == self.value) == (self.operator == "=")

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{_escaped(self.value)}"


@dataclass(frozen=True)
class FieldSelector:
    """All of its requirements must hold."""

    requirements: tuple[FieldRequirement, ...] = ()

    @cached_property
    def key(self) -> str:
        return ",".join(sorted(str(r) for r in self.requirements))

    def matches(self, fields: Mapping[str, str]) -> bool:
        return all(r.matches(fields) for r in self.requirements)

    def exact(self, field: str) -> str | None:
        """The one value that the field must have, if the selector says so."""
        return next((r.value for r in self.requirements if r.field == field and r.operator == "="), None)

    def check_supported(self, known: Collection[str]) -> None:
        """Raises SelectorError for a field that the kind can't be selected by."""
        for requirement in self.requirements:
            if requirement.field not in known:
                raise SelectorError(f"field label not supported: {requirement.field}")

    @staticmethod
    def parse(text: str) -> FieldSelector:
        r"""`spec.nodeName=a,status.phase!=Running`; `\` escapes `,`, `=` and itself. Raises SelectorError."""
        return FieldSelector(tuple(_field_requirement(part, text) for part in _split_terms(text) if part))


def _split_terms(text: str) -> list[str]:
    """At commas that no backslash escapes; the escapes stay."""
    terms, start, escaped = [], 0, False
    for i, character in enumerate(text):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ",":
            terms.append(text[start:i])
            start = i + 1
    return [*terms, text[start:]]


def _field_requirement(term: str, text: str) -> FieldRequirement:
    for i in range(len(term)):
        for sign in ("!=", "==", "="):
            if term.startswith(sign, i):
                value = _unescaped(term[i + len(sign) :])
                return FieldRequirement(term[:i], "!=" if sign == "!=" else "=", value)
    raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


def _unescaped(value: str) -> str:
    """Raises SelectorError for an escape of anything else, and for a bare `,` or `=`."""
    out, rest = [], iter(value)
    for character in rest:
        if character == "\\":
            following = next(rest, "")
            if not following or following not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif character in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {character}")
        else:
            out.append(character)
    return "".join(out)
