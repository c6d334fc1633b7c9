"""The schedule of a CronJob: five fields of times, or a name like `@daily`. Only its form is checked here."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

_DESCRIPTORS = frozenset(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"))
_MONTHS = {m: i for i, m in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}  # noqa: SIM905
_DAYS = {d: i for i, d in enumerate("sun mon tue wed thu fri sat".split())}  # noqa: SIM905
_EVERY = re.compile(r"([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+")
_FIELDS: tuple[tuple[int, int, dict[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 6, _DAYS),
)


class BadSchedule(ValueError):
    """The schedule can't be read; the message says where."""


def check_schedule(text: str) -> None:
    """Raises BadSchedule."""
    if text.startswith("@"):
        _check_descriptor(text)
        return
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise BadSchedule(f"expected exactly 5 fields, found {len(fields)}: {fields}".replace("'", ""))
    for field, (low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            _check_part(part, low, high, names)


def _check_descriptor(text: str) -> None:
    if text.startswith("@every "):
        if not _EVERY.fullmatch(text.removeprefix("@every ")):
            raise BadSchedule(f"failed to parse duration {text}")
    elif text not in _DESCRIPTORS:
        raise BadSchedule(f"unrecognized descriptor: {text}")


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    if named is not None:
        return named
    if not text.isascii() or not text.isdigit():
        raise BadSchedule(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _check_part(part: str, low: int, high: int, names: dict[str, int]) -> None:
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    if "/" in step:
        raise BadSchedule(f"too many slashes: {part}")
    if "-" in last:
        raise BadSchedule(f"too many hyphens: {part}")
    if first in ("*", "?"):
        start, end = low, high
    else:
        start = _number(first, names)
        end = _number(last, names) if dash else start
    if slash and _number(step, {}) == 0:
        raise BadSchedule(f"step of range should be a positive number: {part}")
    if start < low:
        raise BadSchedule(f"beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise BadSchedule(f"end of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise BadSchedule(f"beginning of range ({start}) beyond end of range ({end}): {part}")


def is_time_zone(name: str) -> bool:
    """Whether this is a zone of the IANA database, as installed here."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True
