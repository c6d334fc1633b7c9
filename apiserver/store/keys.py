"""The names of the keys, and how one object is written in its hash. All keys of a control plane share a hash tag, so
one Redis Cluster slot holds all of it and one script may touch all of it."""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.store.base import Commit, Key, ResourceVersion, Stored, StoredResource


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one control plane."""

    cluster: str

    @property
    def rv(self) -> str:
        return f"{{{self.cluster}}}:rv"

    @property
    def outbox(self) -> str:
        return f"{{{self.cluster}}}:outbox"

    @property
    def stream(self) -> str:
        return f"{{{self.cluster}}}:stream"

    @property
    def compared(self) -> str:
        return f"{{{self.cluster}}}:compared"

    @property
    def history(self) -> str:
        return f"{{{self.cluster}}}:history"

    @property
    def closed(self) -> str:
        return f"{{{self.cluster}}}:closed"

    @property
    def aside(self) -> str:
        """The names of the keys that hold what is being restored, until it takes the place of what is there."""
        return f"{{{self.cluster}}}:aside"

    def put_aside(self, key: str) -> str:
        return f"{self.aside}:{key.partition(':')[2]}"

    @property
    def lease(self) -> str:
        return f"{{{self.cluster}}}:relay"

    @property
    def resources(self) -> str:
        return f"{{{self.cluster}}}:resources"

    def objects(self, resource: StoredResource) -> str:
        return f"{{{self.cluster}}}:objects:{resource_name(resource)}"


def resource_name(resource: StoredResource) -> str:
    return f"{resource.group}/{resource.resource}"


def resource_of(name: str) -> StoredResource:
    group, _, resource = name.partition("/")
    return StoredResource(group, resource)


def field_of(key: Key) -> str:
    return f"{key.namespace}/{key.name}"


def stored_of(value: bytes) -> Stored:
    """`<rv> <json>` as the commit script writes it."""
    rv, _, json = value.partition(b" ")
    return Stored(ResourceVersion(int(rv)), json)


_FRAME_BYTES = 256
"""The words around the object, the number in it, and the header with the expected sequence: at most."""


def message_bytes(commit: Commit) -> int:
    """What the change of this commit counts against NATS' `max_payload`, or a little more."""
    headers = sum(len(name) + len(value) + len(": \r\n") for name, value in commit.headers)
    return len(commit.head) + len(commit.tail) + headers + _FRAME_BYTES
