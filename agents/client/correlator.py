"""Which Events are sent, counted up, or left out. Pure.

Upstream: client-go's tools/record/events_cache.go, with its numbers. The same event again counts up the object that is
there. More than ten events within ten minutes that differ only in their message become one, "(combined from similar
events)". A source may tell 25 events about one object at once, and one every five minutes from then on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Obj = dict[str, Any]

REMEMBERED = 4096
SIMILAR_MESSAGES = 10
SIMILAR_WITHIN_SECONDS = 600.0
BURST = 25
PER_SECOND = 1 / 300
COMBINED = "(combined from similar events): "

Key = tuple[str, ...]
V = TypeVar("V")


class _Recent(Generic[V]):
    """The values of the keys that were asked for last."""

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self._values: OrderedDict[Key, V] = OrderedDict()

    def get(self, key: Key) -> V:
        value = self._values.pop(key, None)
        if value is None:
            value = self._make()
        self._values[key] = value
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
        return value


@dataclass(slots=True)
class _Similar:
    messages: dict[str, None] = field(default_factory=dict)
    last: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float = BURST
    at: float = 0.0

    def take(self, now: float) -> bool:
        self.tokens = min(BURST, self.tokens + max(0.0, now - self.at) * PER_SECOND)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(slots=True)
class Told:
    """What was said of one event so far. `name` is empty while no object tells it."""

    name: str = ""
    count: int = 0


@dataclass(frozen=True, slots=True)
class Telling:
    """An event to send: a new object while `told.name` is empty, else a change of that object's count and message."""

    event: Obj
    told: Told

    def sent(self) -> None:
        """The API server has the event as an object of its own."""
        self.told.name = self.event["metadata"]["name"]
        self.told.count = 1

    def forgotten(self) -> None:
        """The object that told it is gone."""
        self.told.name = ""
        self.told.count = 0


class Correlator:
    def __init__(self) -> None:
        self._similar: _Recent[_Similar] = _Recent(_Similar)
        self._told: _Recent[Told] = _Recent(Told)
        self._buckets: _Recent[_Bucket] = _Recent(_Bucket)

    def observe(self, event: Obj, now: float) -> Telling | None:
        """None: too many events about this object; it is left out."""
        event, key = self._combine(event, now)
        if not self._buckets.get(_about(event)).take(now):
            return None
        told = self._told.get(key)
        if told.name:
            told.count += 1
        return Telling(event, told)

    def _combine(self, event: Obj, now: float) -> tuple[Obj, Key]:
        key = (*_about(event), event["type"], event["reason"])
        similar = self._similar.get(key)
        if now - similar.last > SIMILAR_WITHIN_SECONDS:
            similar.messages.clear()
        similar.last = now
        similar.messages[event["message"]] = None
        if len(similar.messages) < SIMILAR_MESSAGES:
            return event, (*key, event["involvedObject"].get("fieldPath", ""), event["message"])
        similar.messages.pop(next(iter(similar.messages)))
        return {**event, "message": COMBINED + event["message"]}, key


def _about(event: Obj) -> Key:
    source, about = event["source"], event["involvedObject"]
    parts = ("kind", "namespace", "name", "uid", "apiVersion")
    return (source.get("component", ""), source.get("host", ""), *(about.get(part, "") for part in parts))
