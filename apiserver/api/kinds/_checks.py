"""The small checks that the validation of workloads is made of: each appends what is wrong to `errors`.

Values repeat from object to object (label keys, container names, port names), so verdicts on names are remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, invalid_value, not_supported, required

Errors = list[FieldError]
Names = Callable[[str], tuple[str, ...]]

NOT_NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
IMMUTABLE = "field is immutable"
MAX_INT32 = 2**31 - 1


def _remembered(validator: Callable[[str], list[str]]) -> Names:
    @lru_cache(maxsize=8192)
    def complaints(value: str) -> tuple[str, ...]:
        return tuple(validator(value))

    return complaints


dns_label = _remembered(names.dns1123_label)
dns_subdomain = _remembered(names.dns1123_subdomain)
qualified_name = _remembered(names.qualified_name)
label_value = _remembered(names.label_value)
port_name = _remembered(names.port_name)
config_map_key = _remembered(names.config_map_key)
path_segment = _remembered(names.path_segment)
wildcard_subdomain = _remembered(names.wildcard_dns1123_subdomain)
variable_name = _remembered(names.relaxed_env_var_name)


def check_name(value: str, path: str, errors: Errors, *, rule: Names) -> None:
    for complaint in rule(value):
        errors.append(invalid_value(path, value, complaint))


def in_range(low: int, high: int) -> str:
    return f"must be between {low} and {high}, inclusive"


def check_range(value: int, path: str, errors: Errors, *, low: int, high: int) -> None:
    if not low <= value <= high:
        errors.append(invalid_value(path, value, in_range(low, high)))


def check_port(value: int, path: str, errors: Errors) -> None:
    if not 1 <= value <= 65535:
        errors.append(invalid_value(path, value, in_range(1, 65535)))


def check_not_negative(value: int | None, path: str, errors: Errors) -> None:
    if value is not None and value < 0:
        errors.append(invalid_value(path, value, NOT_NEGATIVE))


def check_choice(value: str | None, path: str, errors: Errors, *, choices: Sequence[str]) -> None:
    """One of the choices, which are told in this order; required."""
    if value in choices:
        return
    if not value:
        errors.append(required(path))
    else:
        errors.append(not_supported(path, value, choices))


def check_optional_choice(value: str | None, path: str, errors: Errors, *, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        errors.append(not_supported(path, value, choices))


def check_labels(labels: Mapping[str, str] | None, path: str, errors: Errors) -> None:
    for key, value in (labels or {}).items():
        for complaint in qualified_name(key):
            errors.append(invalid_value(path, key, complaint))
        for complaint in label_value(value):
            errors.append(invalid_value(path, value, complaint))


def check_annotations(annotations: Mapping[str, str] | None, path: str, errors: Errors) -> None:
    for key in annotations or ():
        for complaint in qualified_name(key.lower()):
            errors.append(invalid_value(path, key, complaint))


def check_immutable(new: Any, old: Any, path: str, errors: Errors) -> None:
    if new != old:
        errors.append(invalid_value(path, new, IMMUTABLE))
