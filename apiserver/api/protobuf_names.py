"""How the fields of protobuf messages are called in JSON, which are inlined, and which are left out when empty."""

from __future__ import annotations

from apiserver.api.protobuf_zeros import is_plain_number, is_pointer_text
from apiserver.api.schema import PROPS, Schema, schema_for
from apiserver.api.schema_source import definitions

_RENAMED = {"schema": "$schema", "ref": "$ref"}


def json_name(owner: str, told: str) -> str:
    """The field in JSON: `Webhooks` → `webhooks`, `xKubernetesListType` → `x-kubernetes-list-type`."""
    schema = _schema(owner)
    if schema is None or told in schema.properties:
        return told
    if owner == PROPS:
        return _RENAMED.get(told) or "".join(f"-{c.lower()}" if c.isupper() else c for c in told)
    lower = told.lower()
    return next((name for name in schema.properties if name.lower() == lower), told)


def is_inline(owner: str, name: str) -> bool:
    """Whether Go embeds this message, so that JSON has its fields in the object around it."""
    schema = _schema(owner)
    return schema is not None and bool(schema.properties) and name not in schema.properties


def drops_zero(owner: str, name: str, kind: str) -> bool:
    """Whether an empty value of a scalar means that the client has not set the field."""
    schema = _schema(owner)
    if schema is not None and name in schema.required:
        return False
    if kind in ("string", "bytes"):
        return not is_pointer_text(owner, name)
    return is_plain_number(owner.rpartition(".")[2], name)


def _schema(owner: str) -> Schema | None:
    """None for the few messages that OpenAPI does not have, which are parts of others or no objects."""
    return schema_for(owner) if owner in definitions() else None
