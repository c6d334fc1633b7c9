"""Secret: bytes by key, at most 1 MiB; `stringData` is how they are written, never how they are read.

Some types promise entries that their users rely on; these are asked for at every write.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from apiserver.api.bytestext import decoded_length
from apiserver.api.fielderrors import FieldError, invalid_value, required, too_long
from apiserver.api.jsondecode import NotJSON, decode
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_immutable
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN
from apiserver.api.kinds._datamaps import MAX_BYTES, check_frozen, check_keys
from apiserver.api.kinds.base import Cell, Column, KindRules, register
from apiserver.api.schema_gotypes import json_value

Secret = dict[str, Any]

ACCOUNT_ANNOTATION = "kubernetes.io/service-account.name"


def default(obj: Secret) -> None:
    if not obj.get("type"):
        obj["type"] = "Opaque"
    plain = obj.pop("stringData", None)
    if plain:
        written = {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}
        obj["data"] = {**(obj.get("data") or {}), **written}


def _account_named(obj: Secret, errors: Errors) -> None:
    if not (obj["metadata"].get("annotations") or {}).get(ACCOUNT_ANNOTATION):
        errors.append(required(f"metadata.annotations[{ACCOUNT_ANNOTATION}]"))


def _all_of(*keys: str) -> Callable[[Secret, Errors], None]:
    def check(obj: Secret, errors: Errors) -> None:
        data = obj.get("data") or {}
        errors.extend(required(f"data[{key}]") for key in keys if key not in data)

    return check


def _username_or_password(obj: Secret, errors: Errors) -> None:
    keys = ("username", "password")
    if not any(key in (obj.get("data") or {}) for key in keys):
        errors.extend(required(f"data[{key}]") for key in keys)


def _private_key(obj: Secret, errors: Errors) -> None:
    if not (obj.get("data") or {}).get("ssh-privatekey"):
        errors.append(required("data[ssh-privatekey]"))


def _json_object(key: str) -> Callable[[Secret, Errors], None]:
    def check(obj: Secret, errors: Errors) -> None:
        value = (obj.get("data") or {}).get(key)
        if value is None:
            errors.append(required(f"data[{key}]"))
        elif told := _not_an_object(base64.b64decode(value)):
            errors.append(invalid_value(f"data[{key}]", "<secret contents redacted>", told))

    return check


def _not_an_object(content: bytes) -> str:
    """Go's complaint where the bytes are no JSON object."""
    try:
        document = decode(content)
    except NotJSON as err:
        return str(err)
    if document is None or isinstance(document, dict):
        return ""
    return f"json: cannot unmarshal {json_value(document)} into Go value of type map[string]interface {{}}"


_PROMISED: dict[str, Callable[[Secret, Errors], None]] = {
    "kubernetes.io/service-account-token": _account_named,
    "kubernetes.io/dockercfg": _json_object(".dockercfg"),
    "kubernetes.io/dockerconfigjson": _json_object(".dockerconfigjson"),
    "kubernetes.io/basic-auth": _username_or_password,
    "kubernetes.io/ssh-auth": _private_key,
    "kubernetes.io/tls": _all_of("tls.crt", "tls.key"),
}


def validate(obj: Secret) -> list[FieldError]:
    errors: Errors = []
    data = obj.get("data") or {}
    check_keys(data, "data", errors)
    if sum(decoded_length(value) for value in data.values()) > MAX_BYTES:
        errors.append(too_long("data", MAX_BYTES))
    promised = _PROMISED.get(obj.get("type") or "")
    if promised is not None:
        promised(obj, errors)
    return errors


def validate_update(obj: Secret, old: Secret) -> list[FieldError]:
    errors: Errors = []
    check_immutable(obj.get("type"), old.get("type"), "type", errors)
    check_frozen(obj, old, errors, fields=("data",))
    return errors


def row(obj: Secret, now: datetime) -> Sequence[Cell]:
    meta = obj["metadata"]
    return meta["name"], obj.get("type") or "", len(obj.get("data") or {}), age(meta.get("creationTimestamp"), now)


RULES = register(
    KindRules(
        group="",
        kind="Secret",
        default=default,
        validate=validate,
        validate_update=validate_update,
        selectable_fields=lambda obj: {"type": obj.get("type") or ""},
        field_names=frozenset(("type",)),
        columns=(
            NAME_COLUMN,
            Column("Type", description="What the entries are for."),
            Column("Data", description="How many entries there are."),
            AGE_COLUMN,
        ),
        row=row,
        counts_generation=False,
    )
)
