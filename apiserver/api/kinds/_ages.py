"""How long ago something was, in the few characters that tables have for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

UNKNOWN = "<unknown>"


def short_duration(passed: timedelta) -> str:
    """`45s`, `3m10s`, `12m`, `5h`, `5d3h`, `40d`, `2y20d`: never more than two units."""
    seconds = int(passed.total_seconds())
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    years = days // 365
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if years < 8:
        return _two(years, "y", days % 365, "d")
    return f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def age(timestamp: str | None, now: datetime) -> str:
    """Since an RFC 3339 timestamp; `<unknown>` where there is none."""
    if not timestamp:
        return UNKNOWN
    return short_duration(now - datetime.fromisoformat(timestamp))


def between(start: str, end: str) -> str:
    """From one RFC 3339 timestamp to another."""
    return short_duration(datetime.fromisoformat(end) - datetime.fromisoformat(start))


def age_of(obj: Mapping[str, Any], now: datetime) -> str:
    """Since an object was created."""
    return age(obj["metadata"].get("creationTimestamp"), now)
