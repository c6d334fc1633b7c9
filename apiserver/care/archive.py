"""The form of a backup: lines of JSON, in this order.

    {"backup": 1, "cluster": "…", "version": "…", "time": "…", "objectsFrom": n, "about": {"objects": …, "changes": …}}
    {"object": "<group>/<resource>", "key": "<namespace>/<name>", "rv": 12, "json": "{…}"}     each object
    {"change": 13, "subject": "…", "headers": {…}, "body": "…"}                               n+1 … N
    {"record": {"resourceVersion": N, "objects": 123, "changes": 4, "keys": ["…"]}}
    {"change": 7, …}                                                                          … n, what the stream held
    {"cut": 900}                                                                              see below
    {"end": {"resourceVersion": N, "history": 456}}

Objects were read while writes went on, each as of some moment between n and N; the changes n+1 … N, applied in order,
bring all of them to N exactly. What comes behind `record` is history, and may be left out. `cut` says that the history
before it is not to be used, because retention removed changes between before they could be read.

JSON of objects and bodies of changes are texts, byte for byte as they were committed and published; a body that is no
UTF-8 (a foreign message) is `base64` instead. Secrets are ciphertext, as everywhere; the keys are not in here, only
their ids.

In a file there is one more line, `{"checksum": "sha256:…"}` of all before it, and the whole is gzip.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.store.base import ResourceVersion, Stored, StoredResource
from apiserver.store.keys import resource_name, resource_of
from apiserver.store.upkeep import own_headers
from broker.change import Change

FORM = 1
MOST_LINE_BYTES = 8 * 1024 * 1024
"""No line is longer: an object has 1.5 MiB, and its text as JSON at most twice that."""


class BadArchive(ValueError):
    """It is not a backup, or a part of it is missing or damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`objects` and `changes` say about how many lines of each will come."""

    objects_from: int
    cluster: str
    version: str
    time: str
    objects: int
    changes: int

    def line(self) -> dict[str, Any]:
        return {
            "backup": FORM,
            "cluster": self.cluster,
            "version": self.version,
            "time": self.time,
            "objectsFrom": self.objects_from,
            "about": {"objects": self.objects, "changes": self.changes},
        }

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Header:
        """Raises BadArchive."""
        form = line.get("backup")
        if form is None:
            raise BadArchive("it is not a backup of backbeat")
        if form != FORM:
            raise BadArchive(f"it is a backup of form {form}, and this version reads form {FORM}")
        try:
            return cls(
                objects_from=int(line["objectsFrom"]),
                cluster=str(line["cluster"]),
                version=str(line["version"]),
                time=str(line["time"]),
                objects=int(line["about"]["objects"]),
                changes=int(line["about"]["changes"]),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise BadArchive(f"its first line cannot be understood: {err}") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnd:
    """The record is complete, as of `rv`. `keys` are the ids of those that its Secrets were sealed with."""

    rv: int
    objects: int
    changes: int
    keys: tuple[str, ...]

    def line(self) -> dict[str, Any]:
        told = {"resourceVersion": self.rv, "objects": self.objects, "changes": self.changes, "keys": list(self.keys)}
        return {"record": told}

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> RecordEnd:
        """Raises BadArchive."""
        try:
            told = line["record"]
            return cls(
                rv=int(told["resourceVersion"]),
                objects=int(told["objects"]),
                changes=int(told["changes"]),
                keys=tuple(map(str, told["keys"])),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise BadArchive(f"the end of its record cannot be understood: {err}") from err


def object_line(resource: StoredResource, key: str, stored: Stored) -> dict[str, Any]:
    return {"object": resource_name(resource), "key": key, "rv": stored.rv, "json": stored.json.decode()}


def change_line(change: Change) -> dict[str, Any]:
    line: dict[str, Any] = {"change": change.rv, "subject": change.subject, "headers": own_headers(change)}
    try:
        line["body"] = change.body.decode()
    except UnicodeDecodeError:
        line["base64"] = base64.b64encode(change.body).decode()
    return line


def read_line(raw: bytes) -> dict[str, Any]:
    """Raises BadArchive."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as err:
        raise BadArchive("a line is damaged") from err
    if not isinstance(line, dict):
        raise BadArchive("a line is damaged")
    return line


def read_object(line: Mapping[str, Any]) -> tuple[StoredResource, str, Stored]:
    """Raises BadArchive."""
    try:
        stored = Stored(ResourceVersion(int(line["rv"])), line["json"].encode())
        return resource_of(line["object"]), str(line["key"]), stored
    except (KeyError, TypeError, ValueError, AttributeError) as err:
        raise BadArchive(f"an object cannot be understood: {err}") from err


def read_change(line: Mapping[str, Any]) -> Change:
    """Raises BadArchive."""
    try:
        body = line["body"].encode() if "body" in line else base64.b64decode(line["base64"], validate=True)
        headers = {str(name): str(value) for name, value in line["headers"].items()}
        return Change(int(line["change"]), str(line["subject"]), body, headers)
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as err:
        raise BadArchive(f"a change cannot be understood: {err}") from err
