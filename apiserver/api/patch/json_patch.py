"""JSON patch (RFC 6902): a list of operations, applied in order, all or none.

Bounded: at most 10,000 operations, copies of at most 3 MiB together (a few bytes of `copy` would otherwise double a
document again and again), and a result of bounded depth. As upstream does, the document as a whole can't be the target
of an operation, and negative indices count from the end of a list.

Raises BadRequest for what is not a JSON patch, Invalid (422) for one that does not apply, a failed `test` included,
and RequestEntityTooLarge for too many operations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.api.patch import clone, refuse_deep
from apiserver.api.status import BadRequest, Cause, Invalid, RequestEntityTooLarge

MAX_OPERATIONS = 10_000
MAX_COPIED_BYTES = 3 * 1024 * 1024

_REJECTED = "the server rejected our request due to an error in our request"
_MISSING = "missing value"
_BAD_INDEX = "invalid index referenced"
_ABSENT: Any = object()


class _DoesNotApply(Exception):
    """The operation can't be carried out on this document."""


def apply(document: Mapping[str, Any], operations: Sequence[Any]) -> dict[str, Any]:
    """The patched document. See the module's docstring for what is raised."""
    if len(operations) > MAX_OPERATIONS:
        raise RequestEntityTooLarge(
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(operations)}"
        )
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise BadRequest("json: cannot unmarshal the patch: an operation is not an object")
    refuse_deep(operations)
    work = _Work(clone(document))
    try:
        for operation in operations:
            work.run(operation)
    except _DoesNotApply as err:
        raise Invalid(_REJECTED, causes=[Cause("UnexpectedServerResponse", str(err))]) from err
    refuse_deep(work.root)
    return work.root


@dataclass(slots=True)
class _Work:
    """The document while operations change it in place."""

    root: dict[str, Any]
    copied_bytes: int = field(default=0)

    def run(self, operation: Mapping[str, Any]) -> None:
        kind = operation.get("op", "unknown")
        actions: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "add": self._add,
            "remove": self._remove,
            "replace": self._replace,
            "move": self._move,
            "copy": self._copy,
            "test": self._test,
        }
        action = actions.get(kind) if isinstance(kind, str) else None
        if action is None:
            raise _DoesNotApply(f"Unexpected kind: {kind}")
        action(operation)

    def _add(self, operation: Mapping[str, Any]) -> None:
        path = _path(operation, "add")
        self._put(path, clone(_value(operation)), "add", f"doc is missing path: {_quoted(path)}")

    def _put(self, path: str, value: Any, kind: str, missing: str) -> None:
        parent, key = self._parent(path, kind, missing)
        if isinstance(parent, dict):
            parent[key] = value
        elif key == "-":
            parent.append(value)
        else:
            parent.insert(_index(key, len(parent) + 1, kind, path), value)

    def _remove(self, operation: Mapping[str, Any]) -> None:
        path = _path(operation, "remove")
        self._take(path, "remove", f"doc is missing path: {_quoted(path)}")

    def _take(self, path: str, kind: str, missing: str) -> Any:
        parent, key = self._parent(path, kind, missing)
        if isinstance(parent, list):
            return parent.pop(_index(key, len(parent), kind, path))
        if key not in parent:
            told = f"Unable to remove nonexistent key: {key}"
            raise _DoesNotApply(f"error in {kind} for path: '{path}': {told}: {_MISSING}")
        return parent.pop(key)

    def _replace(self, operation: Mapping[str, Any]) -> None:
        path = _path(operation, "replace")
        parent, key = self._parent(path, "replace", f"doc is missing path: {path}")
        if _get(parent, key) is _ABSENT:
            raise _DoesNotApply(f"replace operation does not apply: doc is missing key: {path}: {_MISSING}")
        value = clone(_value(operation))
        if isinstance(parent, list):
            parent[_index(key, len(parent), "replace", path)] = value
        else:
            parent[key] = value

    def _move(self, operation: Mapping[str, Any]) -> None:
        source, path = _from(operation, "move"), _path(operation, "move")
        if path.startswith(source + "/"):
            raise _DoesNotApply(f"move operation does not apply: {_quoted(path)} is inside {_quoted(source)}")
        value = self._take(source, "move", f"doc is missing from path: {source}")
        self._put(path, value, "move", f"doc is missing destination path: {path}")

    def _copy(self, operation: Mapping[str, Any]) -> None:
        source, path = _from(operation, "copy"), _path(operation, "copy")
        parent, key = self._parent(source, "copy", f"doc is missing from path: {source}")
        value = _get(parent, key)
        if value is _ABSENT:
            raise _DoesNotApply(f"error in copy for from: '{source}': unable to get nonexistent key: {key}: {_MISSING}")
        self._count(value)
        self._put(path, clone(value), "copy", f"doc is missing destination path: {path}")

    def _count(self, value: Any) -> None:
        try:
            self.copied_bytes += len(orjson.dumps(value))
        except orjson.JSONEncodeError as err:
            raise BadRequest("the patched document is nested too deeply") from err
        if self.copied_bytes > MAX_COPIED_BYTES:
            raise _DoesNotApply(
                f"Unable to complete the copy, the accumulated size increase of copy is {self.copied_bytes}, "
                f"exceeding the limit {MAX_COPIED_BYTES}"
            )

    def _test(self, operation: Mapping[str, Any]) -> None:
        path = _path(operation, "test")
        parent, key = self._parent(path, "test", f"is missing path: {path}")
        found = _get(parent, key)
        have = None if found is _ABSENT else found
        if not _same(have, operation.get("value")):
            raise _DoesNotApply(f"testing value {path} failed: test failed")

    def _parent(self, path: str, kind: str, missing: str) -> tuple[Any, str]:
        """What holds the target, and the target's key in it."""
        at: Any = self.root
        head, *parts = path.split("/")
        if head or not parts:
            raise _DoesNotApply(f"{kind} operation does not apply: {missing}: {_MISSING}")
        *steps, last = (part.replace("~1", "/").replace("~0", "~") for part in parts)
        for step in steps:
            at = _get(at, step)
        if not isinstance(at, dict | list):
            raise _DoesNotApply(f"{kind} operation does not apply: {missing}: {_MISSING}")
        return at, last


def _get(parent: Any, key: str) -> Any:
    if isinstance(parent, dict):
        return parent.get(key, _ABSENT)
    if isinstance(parent, list):
        at = _as_index(key)
        return parent[at] if at is not None and -len(parent) <= at < len(parent) else _ABSENT
    return _ABSENT


def _as_index(key: str) -> int | None:
    digits = key[1:] if key[:1] in ("-", "+") else key
    return int(key) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None


def _index(key: str, size: int, kind: str, path: str) -> int:
    """0 <= result < size; negative ones count from the end."""
    at = _as_index(key)
    if at is None:
        raise _DoesNotApply(f"error in {kind} for path: '{path}': {_quoted(key)} is not an index of a list")
    if not -size <= at < size:
        raise _DoesNotApply(f"error in {kind} for path: '{path}': Unable to access invalid index: {key}: {_BAD_INDEX}")
    return at + size if at < 0 else at


def _text(operation: Mapping[str, Any], name: str, kind: str) -> str:
    found = operation.get(name)
    if not isinstance(found, str):
        raise _DoesNotApply(f"{kind} operation failed to decode {name}: {_MISSING}")
    return found


def _path(operation: Mapping[str, Any], kind: str) -> str:
    return _text(operation, "path", kind)


def _from(operation: Mapping[str, Any], kind: str) -> str:
    return _text(operation, "from", kind)


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise _DoesNotApply(f"{operation.get('op')} operation does not apply: it has no value: {_MISSING}")
    return operation["value"]


def _quoted(text: str) -> str:
    return f'"{text}"'


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: unlike Python, true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
