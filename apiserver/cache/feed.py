"""From a change as it is published to what the tables take in. Pure; the same for the stream and the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from apiserver.cache.objects import key_of
from apiserver.store.base import ChangeType, StoredResource
from broker import subjects

_KINDS: dict[bytes, tuple[ChangeType, int]] = {
    b'{"type":"A': ("ADDED", len(b'{"type":"ADDED","object":')),
    b'{"type":"M': ("MODIFIED", len(b'{"type":"MODIFIED","object":')),
    b'{"type":"D': ("DELETED", len(b'{"type":"DELETED","object":')),
}
_HEAD = len(b'{"type":"A')


class Published(Protocol):
    """A change of the bus (`broker.change.Change`) or an entry of the outbox."""

    @property
    def rv(self) -> int: ...
    @property
    def subject(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Gap(Exception):
    """The source skipped a number. Read again from the last one that was applied."""

    def __init__(self, *, expected: int, got: int) -> None:
        super().__init__(f"change {expected} is missing: {got} came instead")


class NotAChange(Exception):
    """A message that no store of ours wrote stands in the stream."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One change, taken apart. `object` is the JSON as published, which may be sealed."""

    resource: StoredResource
    key: str
    type: ChangeType
    object: bytes


def parts_of(published: Published) -> Parts:
    """Raises NotAChange."""
    body = published.body
    kind = _KINDS.get(body[:_HEAD])
    if kind is None or not body.endswith(b"}"):
        raise NotAChange(f"message {published.rv} on {published.subject} is not a change")
    try:
        place = subjects.parse(published.subject)
    except ValueError as err:
        raise NotAChange(f"message {published.rv}: {err}") from err
    resource = StoredResource(place.group, place.resource)
    return Parts(resource, key_of(place.namespace, place.name), kind[0], body[kind[1] : -1])
