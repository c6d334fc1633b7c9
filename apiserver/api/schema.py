"""One `Schema` tree per kind: what pruning, type checks, patches, OpenAPI and `kubectl explain` all read.

Built-in kinds come from upstream's OpenAPI definitions (`schema_for`), others from an OpenAPI v3 schema such as a
CustomResourceDefinition carries (`Schema(raw)`). A node is built when it is first asked for and kept, so recursive
types (JSONSchemaProps) cost nothing until something walks them. Trees are never changed after that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

from apiserver.api.schema_source import REF, Raw, UnknownDefinition, definitions, definitions_by_gvk

INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
RAW_EXTENSION = "io.k8s.apimachinery.pkg.runtime.RawExtension"
FIELDS_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"
TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.Time"
MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
_EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
JSON = _EXTENSIONS + "JSON"
PROPS = _EXTENSIONS + "JSONSchemaProps"
PROPS_OR_ARRAY = _EXTENSIONS + "JSONSchemaPropsOrArray"
PROPS_OR_BOOL = _EXTENSIONS + "JSONSchemaPropsOrBool"
PROPS_OR_STRINGS = _EXTENSIONS + "JSONSchemaPropsOrStringArray"

_FREE_FORM = frozenset({RAW_EXTENSION, FIELDS_V1, JSON, PROPS_OR_ARRAY, PROPS_OR_BOOL, PROPS_OR_STRINGS})


class Schema:
    """One node of the tree. A reference looks like what it refers to; what stands beside the reference wins."""

    def __init__(self, raw: Raw, *, name: str = "") -> None:
        self.raw = raw
        reference: str = raw.get("$ref", "")
        self._target = schema_for(reference.removeprefix(REF)) if reference else None
        self.definition: str = self._target.definition if self._target else name
        """The name of the definition that this node is or refers to; empty for an anonymous node."""

    def __repr__(self) -> str:
        return f"Schema({self.definition or self.type or 'any'})"

    def _get(self, key: str, default: Any = None) -> Any:
        if key in self.raw:
            return self.raw[key]
        return self._target._get(key, default) if self._target else default

    @cached_property
    def type(self) -> str:
        """`object`, `array`, `string`, `integer`, `number`, `boolean`; empty where several types or any are allowed."""
        told = self._get("type", "")
        if isinstance(told, list):
            told = next(t for t in told if t != "null")
        return str(told)

    @cached_property
    def format(self) -> str:
        return str(self._get("format", ""))

    @cached_property
    def description(self) -> str:
        return str(self._get("description", ""))

    @cached_property
    def required(self) -> tuple[str, ...]:
        return tuple(self._get("required", ()))

    @cached_property
    def enum(self) -> tuple[Any, ...]:
        return tuple(v for v in self._get("enum", ()) if v is not None)

    @cached_property
    def default(self) -> Any:
        return self._get("default")

    @cached_property
    def nullable(self) -> bool:
        """A CustomResourceDefinition's own `nullable`; built-in types know no null."""
        return bool(self._get("nullable", False))

    @cached_property
    def properties(self) -> Mapping[str, Schema]:
        """The named fields; empty for maps, lists, scalars and free-form objects."""
        if self._target and "properties" not in self.raw:
            return self._target.properties
        return {name: Schema(raw) for name, raw in self.raw.get("properties", {}).items()}

    @cached_property
    def items(self) -> Schema | None:
        """The elements of a list."""
        if self._target and "items" not in self.raw:
            return self._target.items
        raw = self.raw.get("items")
        return Schema(raw) if isinstance(raw, Mapping) else None

    @cached_property
    def additional_properties(self) -> Schema | None:
        """The values of a map."""
        if self._target and "additionalProperties" not in self.raw:
            return self._target.additional_properties
        raw = self.raw.get("additionalProperties")
        if raw is True:
            return Schema({})
        return Schema(raw) if isinstance(raw, Mapping) else None

    def property(self, name: str) -> Schema | None:
        """The field `name`, or the value under that key for a map; None where the schema does not say."""
        found = self.properties.get(name)
        return self.additional_properties if found is None else found

    @cached_property
    def is_map(self) -> bool:
        """Keys are the user's own, values all alike: `map[string]T`."""
        return self.additional_properties is not None and not self.properties

    @cached_property
    def is_object(self) -> bool:
        """A struct: its fields are known by name."""
        return bool(self.properties) or (self.type == "object" and not self.is_map and not self.is_free_form)

    @cached_property
    def is_free_form(self) -> bool:
        """Any JSON; nothing below is looked at. RawExtension, FieldsV1, JSON, and objects that preserve all."""
        if self.definition in _FREE_FORM:
            return True
        if self.properties or self.is_map:
            return False
        return self.preserves_unknown or not (self.type or self._get("oneOf") or self.is_int_or_string)

    @cached_property
    def is_int_or_string(self) -> bool:
        return self.definition == INT_OR_STRING or bool(self._get("x-kubernetes-int-or-string", False))

    @cached_property
    def is_quantity(self) -> bool:
        return self.definition == QUANTITY

    @cached_property
    def preserves_unknown(self) -> bool:
        return bool(self._get("x-kubernetes-preserve-unknown-fields", False))

    @cached_property
    def is_embedded_resource(self) -> bool:
        return bool(self._get("x-kubernetes-embedded-resource", False))

    @cached_property
    def list_type(self) -> str:
        """`atomic`, `set` or `map`; empty where upstream does not say (server-side apply treats that as atomic)."""
        return str(self._get("x-kubernetes-list-type", ""))

    @cached_property
    def map_type(self) -> str:
        """`granular` or `atomic`; empty where upstream does not say (server-side apply treats that as granular)."""
        return str(self._get("x-kubernetes-map-type", ""))

    @cached_property
    def map_keys(self) -> tuple[str, ...]:
        """The fields that identify an element of a `map` list."""
        return tuple(self._get("x-kubernetes-list-map-keys", ()))

    @cached_property
    def merge_key(self) -> str:
        """The field by which strategic merge patch pairs the elements of a list; empty where there is none."""
        return str(self._get("x-kubernetes-patch-merge-key", ""))

    @cached_property
    def patch_strategies(self) -> tuple[str, ...]:
        """Any of `merge`, `replace`, `retainKeys`; empty where the default (replace) holds."""
        return tuple(s for s in str(self._get("x-kubernetes-patch-strategy", "")).split(",") if s)

    @cached_property
    def gvks(self) -> tuple[tuple[str, str, str], ...]:
        """(group, version, kind) of a top-level object."""
        told = self._get("x-kubernetes-group-version-kind", ())
        return tuple((g["group"], g["version"], g["kind"]) for g in told)


@cache
def schema_for(definition: str) -> Schema:
    """The schema of an upstream definition, such as `io.k8s.api.apps.v1.Deployment`. Raises UnknownDefinition."""
    raw = definitions().get(definition)
    if raw is None:
        raise UnknownDefinition(definition)
    return Schema(raw, name=definition)


def schema_for_kind(group: str, version: str, kind: str) -> Schema | None:
    """The schema of an upstream kind, lists and options included; None for a kind that upstream does not have."""
    name = definitions_by_gvk().get((group, version, kind))
    return schema_for(name) if name else None
