"""`components.schemas`: upstream's definitions as OpenAPI v3, and only those that something refers to.

The definitions at hand are written for JSON Schema validators; here they are turned back into what upstream publishes:
no `null` beside a type, no fixed `kind` and `apiVersion`, and `allOf` around a reference that has something beside it,
because OpenAPI v3 ignores whatever stands next to `$ref`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import orjson

from apiserver.api.schema import INT_OR_STRING
from apiserver.api.schema_source import REF, Raw, UnknownDefinition, definitions

COMPONENT = "#/components/schemas/"

_FIXED = ("apiVersion", "kind")
_REPLACED: dict[str, Raw] = {
    INT_OR_STRING: {
        "description": "A 32-bit integer or a string: a number of things, or a percentage or a name of one.",
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


def reference(definition: str) -> dict[str, str]:
    return {"$ref": COMPONENT + definition}


def has_definition(name: str) -> bool:
    return name in definitions()


def components(roots: Iterable[str]) -> dict[str, orjson.Fragment]:
    """The roots and all that they refer to, by name. Raises UnknownDefinition."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_references(name))
    return {name: orjson.Fragment(_encoded(name)) for name in sorted(found)}


@cache
def _encoded(name: str) -> bytes:
    """Kept as bytes: most definitions stand in several documents, and as objects they take ten times the memory."""
    return orjson.dumps(component(name))


@cache
def _references(name: str) -> tuple[str, ...]:
    return tuple(sorted(set(references_in(component(name)))))


def component(name: str) -> dict[str, Any]:
    """One definition as OpenAPI v3. Raises UnknownDefinition."""
    raw = _REPLACED.get(name) or definitions().get(name)
    if raw is None:
        raise UnknownDefinition(name)
    converted = _convert(raw)
    if "x-kubernetes-group-version-kind" in converted:
        for field in _FIXED:
            converted.get("properties", {}).get(field, {}).pop("enum", None)
    return converted


def _convert(raw: Raw) -> dict[str, Any]:
    beside = {key: _value(key, value) for key, value in raw.items() if key != "$ref"}
    if "$ref" not in raw:
        return beside
    target = reference(raw["$ref"].removeprefix(REF))
    return {"allOf": [target], **beside} if beside else dict(target)


def _value(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, list):
        return next(t for t in value if t != "null")
    if key == "properties":
        return {name: _convert(field) for name, field in value.items()}
    if key == "oneOf":
        return [_convert(choice) for choice in value]
    if key in ("items", "additionalProperties") and isinstance(value, Mapping):
        return _convert(value)
    return value


def references_in(value: Any) -> Iterator[str]:
    """The names of the components that a piece of a document refers to."""
    if isinstance(value, Mapping):
        target = value.get("$ref")
        if isinstance(target, str):
            yield target.removeprefix(COMPONENT)
        for part in value.values():
            yield from references_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from references_in(part)
