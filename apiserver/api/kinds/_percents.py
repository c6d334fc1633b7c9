"""Numbers that may also be given as a percentage of the replicas."""

from __future__ import annotations

import re

from apiserver.api.fielderrors import invalid_value
from apiserver.api.kinds._checks import NOT_NEGATIVE, Errors

IntOrPercent = int | str

_PERCENT = re.compile(r"[0-9]+%")
_NOT_A_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def check_positive(value: IntOrPercent, path: str, errors: Errors) -> None:
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            errors.append(invalid_value(path, value, _NOT_A_PERCENT))
    elif value < 0:
        errors.append(invalid_value(path, value, NOT_NEGATIVE))


def number(value: IntOrPercent | None) -> int:
    """The number that is written there, of replicas or of hundredths; 0 where it is neither."""
    if isinstance(value, str):
        return int(value[:-1]) if _PERCENT.fullmatch(value) else 0
    return value or 0


def check_at_most_all(value: IntOrPercent, path: str, errors: Errors) -> None:
    if isinstance(value, str) and number(value) > 100:
        errors.append(invalid_value(path, value, "must not be greater than 100%"))
