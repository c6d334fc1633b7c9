"""RFC 3339 as Go reads and writes it: `Time` to the second, `MicroTime` to the microsecond, both in UTC.

Whatever zone and precision came in, the text that goes out is in UTC and of the type's own precision. Errors carry
Go's words.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_PARTS = ("2006", "-", "01", "-", "02", "T", "15", ":", "04", ":", "05")
_SECONDS_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_RANGES = (("month", 1, 12), ("day", 1, 31), ("hour", 0, 23), ("minute", 0, 59), ("second", 0, 59))
_ZERO = datetime(1, 1, 1, tzinfo=UTC)


class NotATime(ValueError):
    """The text is not a time; the message is Go's."""


@lru_cache(maxsize=2048)
def time_text(text: str) -> str | None:
    """`2024-01-02T03:04:05Z`; None for Go's zero time, which upstream writes as null. Raises NotATime."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise NotATime(_complaint(text, _SECONDS_LAYOUT))
    moment = _moment(text, found)
    return None if moment == _ZERO else moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def micro_time_text(text: str) -> str | None:
    """`2024-01-02T03:04:05.000006Z`. Exactly six digits of a second are required, as upstream does."""
    found = _TIME.fullmatch(text)
    if found is None or len(found[7] or "") != 6 or text[19] != ".":
        raise NotATime(_complaint(text, _MICRO_LAYOUT))
    moment = _moment(text, found)
    return None if moment == _ZERO else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _moment(text: str, found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = numbers = [int(found[i]) for i in range(1, 7)]
    for (name, low, high), number in zip(_RANGES, numbers[1:], strict=True):
        if not low <= number <= high:
            raise NotATime(f'parsing time "{text}": {name} out of range')
    offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
    zone = timezone(-offset if found[8] == "-" else offset) if offset < timedelta(days=1) else None
    if zone is None:
        raise NotATime(f'parsing time "{text}": time zone offset hour out of range')
    try:
        micros = int((found[7] or "0").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotATime(f'parsing time "{text}": day out of range') from None


def _complaint(text: str, layout: str) -> str:
    """Go names the part of the layout where it stopped, and what it found there."""
    rest = text
    for part in _PARTS:
        size = len(part)
        here = rest[:size]
        if not (here.isascii() and here.isdigit() and len(here) == size if part.isdigit() else here == part):
            return _cannot(text, layout, rest, part)
        rest = rest[size:]
    if layout == _MICRO_LAYOUT:
        if not re.match(r"\.\d{6}", rest, re.ASCII):
            return _cannot(text, layout, rest, ".000000")
        rest = rest[7:]
    else:
        rest = re.sub(r"^[.,]\d+", "", rest)
    zone = re.match(r"Z|[+-]\d\d:\d\d", rest, re.ASCII)
    if zone is None:
        return _cannot(text, layout, rest, "Z07:00")
    return f'parsing time "{text}": extra text: "{rest[zone.end() :]}"'


def _cannot(text: str, layout: str, rest: str, part: str) -> str:
    return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
