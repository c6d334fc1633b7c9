"""One pass over an object: are its types those of upstream's Go structs? This is on the path of every write.

`check` types the object and drops what the schema does not know, as Go's JSON decoding into upstream's types does:

- null is the zero value: a field is dropped, a list element or map value becomes `""`, `0`, `false`, `{}` or `[]`;
- integers must be integers within int32 or int64, `1.0` is none; strings and booleans are taken strictly;
- quantities and times are rewritten as upstream writes them, byte fields lose their line breaks;
- what OpenAPI calls required is not asked for: that is validation's work.

The object is changed in place; when TypeMismatch is raised it is left half done and must not be used. Each schema is
compiled into closures at its first use. The pass only notices that a field is unknown; the paths are found by a
second, slower pass (`schema_unknown`), which most requests never need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from apiserver.api import schema_unknown
from apiserver.api.schema import (
    MICRO_TIME,
    PROPS,
    PROPS_OR_ARRAY,
    PROPS_OR_BOOL,
    PROPS_OR_STRINGS,
    TIME,
    Schema,
    schema_for,
)
from apiserver.api.schema_gotypes import go_type, struct_name
from apiserver.api.schema_scalars import (
    KNOWN_CLASSES,
    Checker,
    Seen,
    TypeMismatch,
    anything,
    int_or_string,
    mismatch,
    quantity,
    scalar,
    time_checker,
)

__all__ = ["CheckResult", "TypeMismatch", "check", "checker_for"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The object, typed and pruned, and the paths of the fields that were dropped because nobody knows them."""

    obj: dict[str, Any]
    unknown: list[str]


def check(schema: Schema, obj: Any, *, unknown: Literal["ignore", "collect"] = "collect") -> CheckResult:
    """See the module's docstring. Raises TypeMismatch at the first value of a wrong type."""
    seen: Seen = []
    kept = checker_for(schema)(obj, seen)
    if not seen:
        return CheckResult(kept, seen)
    paths = schema_unknown.prune(schema, kept)
    return CheckResult(kept, paths if unknown == "collect" else [])


@cache
def checker_for(schema: Schema) -> Checker:
    """The compiled form of a schema, made once."""
    return _compile(schema)


def _compile(schema: Schema, owner: str = "", field: str = "") -> Checker:
    if schema.definition in _SPECIAL:
        return _SPECIAL[schema.definition](schema)
    if schema.is_free_form:
        return anything
    if schema.is_quantity:
        return quantity
    if schema.is_int_or_string:
        return int_or_string
    name = go_type(schema, owner=owner, field=field)
    if schema.is_map:
        return _map(schema, name)
    if schema.is_object:
        return _struct(schema, name)
    if schema.type == "array":
        return _list(schema, name)
    return scalar(schema, name)


def _zero(schema: Schema) -> Callable[[], Any]:
    """Makes what Go has in place of a null element."""
    if schema.is_free_form:
        return lambda: None
    if schema.is_quantity:
        return lambda: "0"
    if schema.is_int_or_string or schema.type in ("integer", "number"):
        return lambda: 0
    if schema.type == "array":
        return list
    if schema.type == "object":
        return dict
    return bool if schema.type == "boolean" else str


def _list(schema: Schema, name: str) -> Checker:
    items = schema.items or Schema({})
    element, zero = _late(items), _zero(items)

    def listed(value: Any, seen: Seen) -> Any:
        if value.__class__ is not list:
            raise mismatch(value, name)
        for i, item in enumerate(value):
            kept = zero() if item is None else element(item, seen)
            if kept is not item:
                value[i] = kept
        return value

    return listed


def _map(schema: Schema, name: str) -> Checker:
    values = schema.additional_properties or Schema({})
    element, zero = _late(values), _zero(values)
    plain = _plain_class(values)

    def mapped(value: Any, seen: Seen) -> Any:
        if value.__class__ is not dict:
            raise mismatch(value, name)
        for key, item in value.items():
            if item.__class__ is plain:
                continue
            kept = zero() if item is None else element(item, seen)
            if kept is not item:
                value[key] = kept
        return value

    return mapped


def _plain_class(schema: Schema) -> type | None:
    """The class whose every value is right as it is; None where each value must be looked at."""
    if schema.definition or schema.format or schema.is_int_or_string:
        return None
    return KNOWN_CLASSES.get(schema.type)


def _struct(schema: Schema, name: str) -> Checker:
    struct = struct_name(schema)
    classes = {k: c for k, p in schema.properties.items() if (c := _plain_class(p))}
    fields = {k: _late(p, struct, k) for k, p in schema.properties.items()}
    class_of, field_of = classes.get, fields.get
    keeps_unknown = schema.preserves_unknown

    def structured(value: Any, seen: Seen) -> Any:
        if value.__class__ is not dict:
            raise mismatch(value, name)
        dropped = None
        for key, item in value.items():
            if class_of(key) is item.__class__:
                continue
            field = field_of(key)
            if field is None:
                if not keeps_unknown:
                    seen.append(key)
                continue
            kept = None
            if item is not None:
                try:
                    kept = field(item, seen)
                except TypeMismatch as err:
                    err.within(key, struct)
                    raise
            if kept is None:
                dropped = [key] if dropped is None else [*dropped, key]
            elif kept is not item:
                value[key] = kept
        if dropped is not None:
            for key in dropped:
                del value[key]
        return value

    return structured


def _late(schema: Schema, owner: str = "", field: str = "") -> Checker:
    """Compile at the first call, so that recursive types end and unused branches cost nothing."""
    if not (schema.type in ("object", "array") or schema.definition):
        return _compile(schema, owner, field)
    made: Checker | None = None

    def late(value: Any, seen: Seen) -> Any:
        nonlocal made
        if made is None:
            made = checker_for(schema_for(schema.definition)) if schema.definition else _compile(schema, owner, field)
        return made(value, seen)

    return late


def _props_or(alternative: type, wrong: str) -> Callable[[Schema], Checker]:
    def compile_union(schema: Schema) -> Checker:
        props = _late(schema_for(PROPS))
        strings = _late(Schema({"type": "array", "items": {"type": "string"}}))
        listed = _late(Schema({"type": "array", "items": {"$ref": "#/$defs/" + PROPS}}))

        def union(value: Any, seen: Seen) -> Any:
            if value.__class__ is dict:
                return props(value, seen)
            if value.__class__ is not alternative:
                raise TypeMismatch(wrong)
            if alternative is bool:
                return value
            return (strings if schema.definition == PROPS_OR_STRINGS else listed)(value, seen)

        return union

    return compile_union


_SPECIAL: dict[str, Callable[[Schema], Checker]] = {
    TIME: time_checker,
    MICRO_TIME: time_checker,
    PROPS_OR_BOOL: _props_or(bool, "boolean or JSON schema expected"),
    PROPS_OR_ARRAY: _props_or(list, "array or JSON schema expected"),
    PROPS_OR_STRINGS: _props_or(list, "array of strings or JSON schema expected"),
}
