"""One object as the read side keeps it: its JSON, and, once a selector has asked, its labels and selectable fields.

Parsed objects are not kept: a list without a selector never parses, and one with a selector parses each object once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from apiserver.store.base import StoredResource

Obj = dict[str, Any]
Extract = Callable[[Obj], Mapping[str, str]]
FieldsOf = Callable[[StoredResource], Extract]
"""The selectable fields of each resource, beyond metadata.name and metadata.namespace."""

NOTHING: Mapping[str, str] = {}


class Facts(NamedTuple):
    """What selectors look at."""

    labels: Mapping[str, str]
    fields: Mapping[str, str]


class Cached:
    """One version of one object. `json` is plain (never sealed) and carries `rv`. Immutable but for what it remembers.

    Not a dataclass: there are as many of these as objects, and the facts are remembered in place.
    """

    __slots__ = ("_facts", "json", "key", "rv")

    def __init__(self, key: str, rv: int, json: bytes) -> None:
        self.key = key
        """`<namespace>/<name>`."""
        self.rv = rv
        self.json = json
        self._facts: Facts | None = None

    def __repr__(self) -> str:
        return f"Cached({self.key}, rv={self.rv})"

    def facts(self, extract: Extract) -> Facts:
        if self._facts is None:
            self._facts = _facts_of(orjson.loads(self.json), extract)
        return self._facts


def _facts_of(obj: Obj, extract: Extract) -> Facts:
    metadata = obj["metadata"]
    fields = {"metadata.name": metadata["name"], "metadata.namespace": metadata.get("namespace", ""), **extract(obj)}
    return Facts(metadata.get("labels") or NOTHING, fields)


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label and a field selector. `key` is the same for selectors that select the same, so that their watchers share
    one group; None selects everything."""

    key: str
    labels: Callable[[Mapping[str, str]], bool] | None = None
    fields: Callable[[Mapping[str, str]], bool] | None = None

    def matches(self, facts: Facts) -> bool:
        if self.labels is not None and not self.labels(facts.labels):
            return False
        return self.fields is None or self.fields(facts.fields)


def key_of(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"
