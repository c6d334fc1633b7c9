"""How the fields of protobuf messages are called in JSON, and which of them Go leaves out when they are empty."""

from __future__ import annotations

from apiserver.api.schema import Schema, schema_for
from apiserver.api.schema_source import definitions

_RENAMED = {"schema": "$schema", "ref": "$ref"}
_PROPS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"


def json_name(owner: str, told: str) -> str:
    """The field in JSON: `Webhooks` → `webhooks`, `xKubernetesListType` → `x-kubernetes-list-type`."""
    schema = _schema(owner)
    if schema is None or told in schema.properties:
        return told
    if owner == _PROPS:
        return _RENAMED.get(told) or "".join(f"-{c.lower()}" if c.isupper() else c for c in told)
    lower = told.lower()
    return next((name for name in schema.properties if name.lower() == lower), told)


def is_inline(owner: str, name: str, kind: str) -> bool:
    """Whether Go embeds this struct, so that JSON has its fields in the object around it."""
    schema = _schema(owner)
    if schema is None:
        return (owner, name) in _INLINE_ELSEWHERE
    return name not in schema.properties


_INLINE_ELSEWHERE: frozenset[tuple[str, str]] = frozenset()


def drops_zero(owner: str, name: str, kind: str) -> bool:
    """Whether an empty value means that the client has not set the field."""
    if kind in ("string", "bytes"):
        schema = _schema(owner)
        return schema is None or name not in schema.required
    return False


def _schema(owner: str) -> Schema | None:
    return schema_for(owner) if owner in definitions() else None
