"""Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by which key.

Maps merge key by key; null removes. A list is replaced, unless its schema says `merge`: then elements with the same
merge key are merged, and lists of scalars become their union. Directives in the patch say more:

    $patch: replace | delete | merge       for the map, or for the list, that it stands in
    $retainKeys: [a, b]                    of this map keep only these
    $setElementOrder/<field>: [...]        the order of a merged list afterwards
    $deleteFromPrimitiveList/<field>: []   scalars to remove from a merged list

New elements come before those that only the server has, except where the order of both is known: upstream's rule
(`k8s.io/apimachinery/pkg/util/strategicpatch`), which clients compute their patches by. Raises BadRequest for a patch
that breaks these rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from apiserver.api.patch import clone, refuse_deep
from apiserver.api.patch.order import arranged, check_order
from apiserver.api.status import BadRequest

Map = dict[str, Any]

PATCH = "$patch"
RETAIN_KEYS = "$retainKeys"
SET_ORDER = "$setElementOrder/"
DELETE_FROM = "$deleteFromPrimitiveList/"

BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
BAD_PRIMITIVE_LIST = "invalid patch format of primitive list"
BAD_ORDER_LIST = "invalid patch format of setElementOrder list"


class PatchSchema(Protocol):
    """What a patch needs to know of a schema; `apiserver.api.schema.Schema` is one."""

    @property
    def items(self) -> PatchSchema | None: ...
    @property
    def merge_key(self) -> str: ...
    @property
    def patch_strategies(self) -> tuple[str, ...]: ...
    def property(self, name: str) -> PatchSchema | None: ...


def apply(document: Mapping[str, Any], patch: Mapping[str, Any], schema: PatchSchema | None) -> Map:
    """The patched document. A part that the schema does not know is merged as RFC 7386 says."""
    refuse_deep(patch)
    return _merge_map(document, patch, schema)


def _merge_map(old: Mapping[str, Any], patch: Mapping[str, Any], schema: PatchSchema | None) -> Map:
    if PATCH in patch:
        return _directed_map(old, patch, schema)
    result = _retained(old, patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            field = key.removeprefix(DELETE_FROM)
            if isinstance(result.get(field), list):
                result[field] = _without(result[field], value)
        elif key.startswith(SET_ORDER):
            _check_order_directive(patch, key, schema)
        elif key != RETAIN_KEYS:
            _merge_field(result, key, value, _field_schema(schema, key))
    for key, value in patch.items():
        if key.startswith(SET_ORDER):
            field = key.removeprefix(SET_ORDER)
            _reorder(result, field, value, old.get(field), _field_schema(schema, field))
    return result


def _directed_map(old: Mapping[str, Any], patch: Mapping[str, Any], schema: PatchSchema | None) -> Map:
    directive = patch[PATCH]
    rest = {k: v for k, v in patch.items() if k != PATCH}
    if directive == "replace":
        return _merge_map({}, rest, schema)
    if directive == "delete":
        return {}
    if directive == "merge":
        return _merge_map(old, rest, schema)
    raise BadRequest(f"unknown patch type: {directive} in map")


def _retained(old: Mapping[str, Any], patch: Mapping[str, Any]) -> Map:
    if RETAIN_KEYS not in patch:
        return dict(old)
    if not isinstance(patch[RETAIN_KEYS], list):
        raise BadRequest(BAD_RETAIN_KEYS)
    keys = {key for key in patch[RETAIN_KEYS] if isinstance(key, str)}
    for key, value in patch.items():
        if value is not None and key not in keys and not key.startswith("$"):
            raise BadRequest(BAD_RETAIN_KEYS)
    return {k: v for k, v in old.items() if k in keys}


def _field_schema(schema: PatchSchema | None, name: str) -> PatchSchema | None:
    return schema.property(name) if schema is not None else None


def _merge_field(result: Map, key: str, value: Any, schema: PatchSchema | None) -> None:
    if value is None:
        result.pop(key, None)
        return
    old = result.get(key)
    strategies = schema.patch_strategies if schema is not None else ()
    if isinstance(value, Mapping) and "replace" not in strategies:
        result[key] = _merge_map(old if isinstance(old, Mapping) else {}, value, schema)
    elif isinstance(value, list) and schema is not None and "merge" in strategies:
        result[key] = _merge_list(old if isinstance(old, list) else [], value, schema)
    else:
        result[key] = clone(value)


def _merge_list(old: list[Any], patch: list[Any], schema: PatchSchema) -> list[Any]:
    if _kind_of(old + patch) is not dict:
        merged = list(dict.fromkeys(old + patch))
        return arranged(merged, patch, old, "")
    key = schema.merge_key
    if not key:
        raise BadRequest("cannot merge lists without merge key for type map")
    kept, added = _directed_list(old, patch, schema)
    merged = _merge_elements(kept, added, schema)
    return arranged(merged, added, kept, key)


def _kind_of(elements: list[Any]) -> type | None:
    """The one type of all elements. Raises BadRequest where they differ."""
    kinds = {type(e) for e in elements}
    if list in kinds:
        raise BadRequest("lists of lists are not supported")
    if len(kinds) > 1:
        raise BadRequest("list element types are not identical")
    return kinds.pop() if kinds else None


def _directed_list(old: list[Any], patch: list[Any], schema: PatchSchema) -> tuple[list[Any], list[Any]]:
    """(what is left of the old elements, the elements to merge), once directives were obeyed."""
    plain: list[Any] = []
    deleted: set[tuple[bool, Any]] = set()
    replace = False
    for element in patch:
        directive = element.get(PATCH)
        if directive is None:
            plain.append(element)
        elif directive == "delete":
            deleted.add(_distinct(_merge_value(element, schema.merge_key)))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise BadRequest("merging lists cannot yet be specified in the patch")
        else:
            raise BadRequest(f"unknown patch type: {directive} in map")
    if replace:
        return [_merge_map({}, e, schema.items) for e in plain], []
    if not deleted:
        return old, plain
    return [e for e in old if _distinct(e.get(schema.merge_key)) not in deleted], plain


def _merge_value(element: Mapping[str, Any], key: str) -> Any:
    if key not in element:
        raise BadRequest(f"map: {dict(element)} does not contain declared merge key: {key}")
    value = element[key]
    if isinstance(value, dict | list):
        raise BadRequest(f"the merge key {key} is not a scalar")
    return value


def _merge_elements(old: list[Any], patch: list[Any], schema: PatchSchema) -> list[Any]:
    result = list(old)
    places: dict[Any, int] = {}
    for i, element in enumerate(result):
        places.setdefault(element.get(schema.merge_key), i)
    for element in patch:
        value = _merge_value(element, schema.merge_key)
        at = places.get(value)
        if at is None:
            places[value] = len(result)
            result.append(_merge_map({}, element, schema.items))
        else:
            result[at] = _merge_map(result[at], element, schema.items)
    return result


def _without(old: list[Any], deleted: Any) -> list[Any]:
    if not isinstance(deleted, list):
        raise BadRequest(BAD_PRIMITIVE_LIST)
    gone = {_distinct(e) for e in deleted if not isinstance(e, dict | list)}
    return [e for e in old if isinstance(e, dict | list) or _distinct(e) not in gone]


def _distinct(scalar: Any) -> tuple[bool, Any]:
    """For sets, in which true would be 1."""
    return (scalar.__class__ is bool, scalar)


def _check_order_directive(patch: Mapping[str, Any], directive: str, schema: PatchSchema | None) -> None:
    field = directive.removeprefix(SET_ORDER)
    order, elements = patch[directive], patch.get(field) or []
    if not isinstance(order, list) or not isinstance(elements, list):
        raise BadRequest(BAD_ORDER_LIST)
    of_field = _field_schema(schema, field)
    key = of_field.merge_key if of_field is not None else ""
    wanted = [e for e in elements if not (isinstance(e, Mapping) and PATCH in e)]
    check_order(wanted, order, key)


def _reorder(result: Map, field: str, order: list[Any], old: Any, schema: PatchSchema | None) -> None:
    merged = result.get(field)
    if isinstance(merged, list):
        key = schema.merge_key if schema is not None else ""
        result[field] = arranged(merged, order, old if isinstance(old, list) else [], key)
