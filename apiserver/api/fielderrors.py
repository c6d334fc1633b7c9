"""Why a field is refused: upstream's `field.Error` (k8s.io/apimachinery/pkg/util/validation/field), same words.

Validation functions return a list of these; `invalid()` turns the list into the 422 that clients see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.api.status import Cause, Invalid, qualified

_OMITTED: Any = object()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field. `path` is written as users write it: `spec.containers[0].name`, `metadata.labels[a/b]`."""

    reason: str
    path: str
    body: str

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _join(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(path: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", path, _join("Required value", detail))


def invalid_value(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueInvalid", path, _join(f"Invalid value: {_shown(value)}", detail))


def not_supported(path: str, value: Any, supported: Sequence[str]) -> FieldError:
    """`Unsupported value: "x": supported values: "a", "b"`, in the order given."""
    names = ", ".join(_shown(s) for s in supported)
    return FieldError("FieldValueNotSupported", path, f"Unsupported value: {_shown(value)}: supported values: {names}")


def forbidden(path: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", path, _join("Forbidden", detail))


def duplicate(path: str, value: Any, detail: str = "") -> FieldError:
    return FieldError("FieldValueDuplicate", path, _join(f"Duplicate value: {_shown(value)}", detail))


def not_found_value(path: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", path, f"Not found: {_shown(value)}")


def type_invalid(path: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", path, _join(f"Invalid value: {_shown(value)}", detail))


def too_long(path: str, max_length: int) -> FieldError:
    unit = "byte" if max_length == 1 else "bytes"
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {max_length} {unit}")


def too_many(path: str, count: int, max_items: int) -> FieldError:
    unit = "item" if max_items == 1 else "items"
    return FieldError("FieldValueTooMany", path, f"Too many: {count}: must have at most {max_items} {unit}")


def invalid(kind: str, group: str, name: str, errors: Iterable[FieldError]) -> Invalid:
    """The 422 for these errors: upstream's `errors.NewInvalid`, with the same message and causes."""
    unique = list(dict.fromkeys(errors))
    lines = [str(e) for e in unique]
    told = lines[0] if len(lines) == 1 else "[" + ", ".join(lines) + "]"
    return Invalid(
        f'{qualified(kind, group)} "{name}" is invalid: {told}',
        group=group,
        kind=kind,
        name=name,
        causes=[Cause(e.reason, e.body, e.path) for e in unique],
    )
