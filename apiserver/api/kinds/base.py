"""What one kind adds to the rules that all objects share: one `KindRules` per kind, one file per kind.

A newcomer adds a kind's behaviour by writing `apiserver/api/kinds/<kind>.py`, which calls `register(KindRules(...))`.
A kind without rules is served by its schema alone.

Every function is pure: no I/O, no clock (the caller passes `now`), no randomness. Objects are plain JSON dicts that
already passed the schema: types are right, unknown fields are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apiserver.api.fielderrors import FieldError

Obj = dict[str, Any]
Cell = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Column:
    """A Table column (`meta.k8s.io/v1` TableColumnDefinition). Priority 1 is shown by `-o wide` only."""

    name: str
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0


def _nothing(obj: Obj) -> None:
    """No defaults, nothing to prepare."""


def _nothing_changed(obj: Obj, old: Obj) -> None:
    """Nothing to prepare on update."""


def _valid(obj: Obj) -> list[FieldError]:
    return []


def _valid_update(obj: Obj, old: Obj) -> list[FieldError]:
    return []


def _no_fields(obj: Obj) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRules:
    """The behaviour of one kind. The order on a write: `default` → `prepare_*` → `validate` (→ `validate_update`)."""

    group: str
    kind: str

    default: Callable[[Obj], None] = _nothing
    """Fill in what the client left out, in place. Upstream: `pkg/apis/<group>/<version>/defaults.go`."""
    prepare_create: Callable[[Obj], None] = _nothing
    """What the server decides at create, in place (status.phase Pending, status dropped). Upstream: `PrepareForCreate`.
    Where the kind has a status subresource, the caller has dropped `status` already."""
    prepare_update: Callable[[Obj, Obj], None] = _nothing_changed
    """(new, old). The caller has put the old `status` back already, and counts `metadata.generation` by `spec`."""
    prepare_status_update: Callable[[Obj, Obj], None] = _nothing_changed
    """(new, old) on the status subresource. The caller has put everything but `status` back already."""
    validate: Callable[[Obj], list[FieldError]] = _valid
    validate_create: Callable[[Obj], list[FieldError]] = _valid
    """What is asked of new objects alone. `validate` runs too."""
    validate_update: Callable[[Obj, Obj], list[FieldError]] = _valid_update
    """(new, old): immutable fields and transitions. `validate` runs too."""
    validate_status_update: Callable[[Obj, Obj], list[FieldError]] = _valid_update
    validate_name: Callable[[str], list[str]] | None = None
    """Complaints about `metadata.name`, as upstream words them; None means a DNS subdomain."""

    selectable_fields: Callable[[Obj], Mapping[str, str]] = _no_fields
    """The values of the field selectors beyond metadata.name and metadata.namespace. Always the same keys."""
    field_names: frozenset[str] = frozenset()
    """The keys of `selectable_fields`: any other is refused with 400."""

    columns: Sequence[Column] = ()
    """Empty means Name and Created At, as upstream does for a kind without a printer."""
    row: Callable[[Obj, datetime], Sequence[Cell]] | None = None
    """The cells of one object at a moment, in the order of `columns`."""

    counts_generation: bool = True
    """False: the kind keeps no metadata.generation (ConfigMap, Secret, Event, …)."""
    default_grace_seconds: Callable[[Obj, int | None], int | None] | None = None
    """(object, requested) → the grace period of a DELETE; None (the default): deleted at once unless finalizers hold
    it. A result of 0 deletes at once; above 0 the object gets a deletionTimestamp and stays until deleted with 0."""
    create_on_update: bool = False
    """PUT of a name that does not exist creates it (upstream: `AllowCreateOnUpdate`; Lease, Event, Endpoints, …)."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Facts that few kinds have. `requires_resource_version`: a PUT must say which version it replaces.
    `generation_counts_annotations`: their change counts too. `status_on_create`: a new object may bring its status."""


_RULES: dict[tuple[str, str], KindRules] = {}


def register(rules: KindRules) -> KindRules:
    """Make the rules known. Raises ValueError when the kind has some already."""
    key = (rules.group, rules.kind)
    if key in _RULES:
        raise ValueError(f"two sets of rules for {key}")
    _RULES[key] = rules
    return rules


def rules_for(group: str, kind: str) -> KindRules:
    """The rules of a kind; plain ones where none are registered."""
    found = _RULES.get((group, kind))
    if found is None:
        found = KindRules(group=group, kind=kind)
        _RULES[(group, kind)] = found
    return found
