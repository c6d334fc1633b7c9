"""Objects to bytes, once.

An object is encoded with a marker where its resourceVersion will stand, and split there: the store puts the number
between the halves, and the same halves around the same number are the answer to the client. The marker is random per
process, so no client can send it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

import orjson

Obj = dict[str, Any]

_MARKER = "rv-" + secrets.token_hex(16)
_MARKER_BYTES = _MARKER.encode()


def halves(obj: Obj) -> tuple[bytes, bytes]:
    """The JSON before and after the digits of `metadata.resourceVersion`. `obj` is left without one."""
    meta = obj["metadata"]
    meta["resourceVersion"] = _MARKER
    head, _, tail = orjson.dumps(obj).partition(_MARKER_BYTES)
    del meta["resourceVersion"]
    return head, tail


def joined(head: bytes, rv: int, tail: bytes) -> bytes:
    return b"%b%d%b" % (head, rv, tail)


def list_bytes(kind: str, api_version: str, meta: Obj, items: Iterable[bytes]) -> bytes:
    """A list of objects that are bytes already."""
    head = orjson.dumps({"kind": kind, "apiVersion": api_version, "metadata": meta})
    return b'%b,"items":[%b]}' % (head[:-1], b",".join(items))
