"""One message of the stream: a change that was committed.

The body is exactly a Kubernetes watch frame, `{"type":"…","object":{…}}`; nothing is parsed before it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson

from broker import subjects

_PREFIX = b'{"type":"'
_MIDDLE = b'","object":'


def frame(kind: str, object_bytes: bytes) -> bytes:
    """The body of a change of that type."""
    return b"%b%b%b%b}" % (_PREFIX, kind.encode(), _MIDDLE, object_bytes)


def micros(stamp: str) -> str:
    """NATS' time with up to nanoseconds as RFC 3339 with microseconds. Empty stays empty."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return f"{whole}.{fraction[:6].ljust(6, '0')}Z" if stamp else ""


class BadFrame(ValueError):
    """The bytes are not a watch frame as this project writes them."""


class Key(NamedTuple):
    """Which object. The core group is empty, and so is the namespace of what has none."""

    group: str
    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{resource}/{self.namespace}/{self.name}" if self.namespace else f"{resource}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """`rv` is the resourceVersion and the stream sequence. `deliveries` counts how often it was handed out."""

    rv: int
    subject: str
    body: bytes
    headers: Mapping[str, str] | None = None
    deliveries: int = 1
    pending: int = 0
    """How many changes the broker still has for this consumer behind this one."""
    stored_ns: int = 0
    """When it was delivered: nanoseconds since 1970 at which the stream had stored it. See `published`."""

    @property
    def published(self) -> str:
        """When the stream stored it, in RFC 3339; empty where that is not known."""
        if self.stored_ns:
            seconds, rest = divmod(self.stored_ns, 1_000_000_000)
            return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
        return micros((self.headers or {}).get("Nats-Time-Stamp", ""))

    @property
    def key(self) -> Key:
        """Which object it is of. Raises subjects.BadSubject."""
        place = subjects.parse(self.subject)
        return Key(place.group, place.resource, place.namespace, place.name)

    @property
    def actor(self) -> str:
        """Who asked for it; empty where that is not known, as of what exists before the first change."""
        return unquote((self.headers or {}).get("Backbeat-Actor", ""))

    @property
    def time(self) -> str:
        """When it was committed, in RFC 3339; empty where that is not known."""
        return (self.headers or {}).get("Backbeat-Time", "")

    @property
    def type(self) -> str:
        """ADDED, MODIFIED or DELETED."""
        return self.body[len(_PREFIX) : self._split()].decode()

    @property
    def object_bytes(self) -> bytes:
        """The object's JSON, cut out of the body without parsing."""
        return self.body[self._split() + len(_MIDDLE) : -1]

    def object(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.object_bytes)
        return parsed

    def _split(self) -> int:
        end = self.body.find(_MIDDLE, len(_PREFIX), len(_PREFIX) + 32)
        if end < 0 or not self.body.startswith(_PREFIX):
            raise BadFrame(self.body[:64])
        return end
