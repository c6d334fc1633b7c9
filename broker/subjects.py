"""The subject of a change, and back.

    changes.<group>.<resource>.<namespace>.<name>[.<node>]

A token is the text itself with every character outside `A-Za-z0-9-_` percent-encoded as UTF-8 bytes; the empty text is
the token `_`, and the text `_` is `%5F`. The core group is the token `core`, and a group called `core` is `%63ore`. So
every place has exactly one subject, no two places share one, and `parse` gives the place back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote

STREAM = "CHANGES"
PREFIX = "changes"
LIVE = "live"
"""Where the broker repeats each change as it is stored, for listeners who need no cursor."""
ALL = f"{PREFIX}.>"
EMPTY = "_"
CORE = "core"


class BadSubject(ValueError):
    """The text is not a subject that `subject_for` makes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which object a change is about. `node` is None for resources whose subject has no node."""

    group: str
    resource: str
    namespace: str
    name: str
    node: str | None = None


@lru_cache(maxsize=65_536)
def encode(text: str) -> str:
    """One token."""
    if not text:
        return EMPTY
    if text == EMPTY:
        return "%5F"
    # `quote` keeps "." and "~" whatever it is told; NATS reads the first as a separator.
    return quote(text, safe="").replace(".", "%2E").replace("~", "%7E")


def decode(token: str) -> str:
    return "" if token == EMPTY else unquote(token, errors="strict")


def encode_group(group: str) -> str:
    if not group:
        return CORE
    return "%63ore" if group == CORE else encode(group)


def subject_for(group: str, resource: str, namespace: str, name: str, *, node: str | None = None) -> str:
    """The subject of an object's changes. `node` is given for pods: empty while the pod is not bound."""
    subject = f"{PREFIX}.{encode_group(group)}.{encode(resource)}.{encode(namespace)}.{encode(name)}"
    return subject if node is None else f"{subject}.{encode(node)}"


def parse(subject: str) -> Place:
    """Raises BadSubject."""
    tokens = subject.split(".")
    if len(tokens) not in (5, 6) or tokens[0] != PREFIX or not all(tokens):
        raise BadSubject(subject)
    try:
        group, resource, namespace, name, *rest = (decode(t) for t in tokens[1:])
    except UnicodeDecodeError as err:
        raise BadSubject(subject) from err
    if tokens[1] == CORE:
        group = ""
    return Place(group, resource, namespace, name, rest[0] if rest else None)


def filter_for(
    *,
    group: str | None = None,
    resource: str | None = None,
    namespace: str | None = None,
    name: str | None = None,
    node: str | None = None,
) -> str:
    """A filter subject; what is None matches everything. A node matches the pods bound to it."""
    tokens = [
        PREFIX,
        "*" if group is None else encode_group(group),
        *("*" if text is None else encode(text) for text in (resource, namespace, name)),
    ]
    if node is not None:
        return ".".join([*tokens, encode(node)])
    while tokens[-1] == "*":
        tokens.pop()
    # The trailing ">" also matches the node token that only pods have.
    if len(tokens) == 5:
        return ".".join(tokens) if resource != "pods" else ".".join([*tokens, "*"])
    return ".".join([*tokens, ">"])


def matches(subject_filter: str, subject: str) -> bool:
    """Whether NATS would deliver a subject to who listens to a filter."""
    wanted, tokens = subject_filter.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(tokens) <= len(wanted):
            return False
    elif len(tokens) != len(wanted):
        return False
    return all(one in ("*", token) for one, token in zip(wanted, tokens, strict=False))


def live(subject: str) -> str:
    """The live subject of a change's subject, or of a filter: `live.changes.…`."""
    return f"{LIVE}.{subject}"


def node_subject(node: str, method: str) -> str:
    """Where a node's kubelet answers requests."""
    return f"nodes.{encode(node)}.{encode(method)}"
