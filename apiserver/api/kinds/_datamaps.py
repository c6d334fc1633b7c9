"""What ConfigMaps and Secrets share: their keys become file names, and they may be made immutable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apiserver.api.fielderrors import forbidden
from apiserver.api.kinds._checks import Errors, check_name, config_map_key

MAX_BYTES = 1024 * 1024

_FROZEN = "field is immutable when `immutable` is set"


def check_keys(keys: Iterable[str], path: str, errors: Errors) -> None:
    for key in keys:
        check_name(key, f"{path}[{key}]", errors, rule=config_map_key)


def check_frozen(obj: dict[str, Any], old: dict[str, Any], errors: Errors, *, fields: Iterable[str]) -> None:
    """Once `immutable` is true, neither it nor the data changes any more."""
    if not old.get("immutable"):
        return
    if not obj.get("immutable"):
        errors.append(forbidden("immutable", _FROZEN))
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            errors.append(forbidden(field, _FROZEN))
