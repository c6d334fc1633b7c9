"""The bytes of a watch: frames, each ending in a newline. Pure.

A selector sees an object come and go while it only changes: a MODIFIED that begins to match is shown as ADDED, one
that ceases to match as DELETED with the content from before, under the new number, as upstream does.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson

from apiserver.api.status import Cause, Expired, StatusError, Timeout
from apiserver.cache import Cached, Matcher, WindowChange
from apiserver.cache.objects import Extract
from apiserver.watch.view import Encode, View, WatchOptions

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
LIST_BLUEPRINT = "kubernetes.io/initial-events-list-blueprint"
"""An empty list as this server would write it: a client makes the list of the initial events in its form."""

Memo = dict[tuple[str, int, str], bytes]
"""Frames that were made for one batch, by form, number and type: views that differ in their selection share them."""


def seen(change: WindowChange, match: Matcher | None, extract: Extract) -> tuple[str, bytes] | None:
    """The type and object that a selection shows for a change; None when it shows nothing."""
    if match is None:
        return change.type, change.now.json
    if change.before_unknown:
        return _seen_unknown(change, match.matches(change.now.facts(extract)))
    before = change.before is not None and match.matches(change.before.facts(extract))
    if change.type == "DELETED":
        return ("DELETED", change.now.json) if before else None
    if match.matches(change.now.facts(extract)):
        return ("MODIFIED" if before else "ADDED"), change.now.json
    if before and change.before is not None:
        return "DELETED", with_rv(change.before.json, change.rv)
    return None


def _seen_unknown(change: WindowChange, matches: bool) -> tuple[str, bytes] | None:
    """Nobody knows whether it matched before. A client bears MODIFIED of what it did not have and DELETED of what it
    does not have; it could not bear to keep what it must forget."""
    if matches:
        return change.type, change.now.json
    return None if change.type == "DELETED" else ("DELETED", change.now.json)


def frame(view: View, change: WindowChange, extract: Extract, published: bytes | None, memo: Memo) -> bytes | None:
    """One change as a view shows it. `published` is the body in the stream, where there is a plain one."""
    shown = seen(change, view.match, extract)
    if shown is None:
        return None
    kind, raw = shown
    if view.form is None and kind == change.type and published is not None:
        return published + b"\n"
    key = (view.form_key, change.rv, kind)
    made = memo.get(key)
    if made is None:
        made = memo[key] = written(view.form, kind, raw)
    return made


def written(form: Encode | None, kind: str, raw: bytes) -> bytes:
    if form is None:
        return b'{"type":"%b","object":%b}\n' % (kind.encode(), raw)
    return form(kind, raw) + b"\n"


def state(view: View, objects: Iterable[Cached]) -> bytes:
    """ADDED for each object."""
    return b"".join([written(view.form, "ADDED", one.json) for one in objects])


def with_rv(raw: bytes, rv: int) -> bytes:
    obj = orjson.loads(raw)
    obj["metadata"]["resourceVersion"] = str(rv)
    return orjson.dumps(obj)


def bookmark(options: WatchOptions, rv: int, *, initial_events_end: bool = False) -> bytes:
    """Kind, apiVersion and number only: a client may go on from here."""
    metadata: dict[str, Any] = {"resourceVersion": str(rv), "creationTimestamp": None}
    if initial_events_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true", LIST_BLUEPRINT: _blueprint(options)}
    obj = {"kind": options.kind, "apiVersion": options.api_version, "metadata": metadata}
    return orjson.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"


def _blueprint(options: WatchOptions) -> str:
    empty = {"kind": options.list_kind, "apiVersion": options.api_version, "metadata": {}, "items": []}
    return base64.b64encode(orjson.dumps(empty)).decode()


def error(err: StatusError) -> bytes:
    return orjson.dumps({"type": "ERROR", "object": err.to_status()}) + b"\n"


def too_old(rv: int, oldest: int) -> Expired:
    return Expired(f"too old resource version: {rv} ({oldest})")


def too_large(asked: int, current: int) -> Timeout:
    """The client is ahead of this server: as upstream, it should ask again in a second."""
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
        retry_after_seconds=1,
    )
