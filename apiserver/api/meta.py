"""Object metadata: validation of what clients send, names made from `generateName`, times as objects carry them.

Pure: the clock and the randomness come in as arguments. Rules and words are upstream's
(`k8s.io/apimachinery/pkg/api/validation/objectmeta.go`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, forbidden, invalid_value, required, too_long

Meta = Mapping[str, Any]
NameRule = Callable[[str], Iterable[str]]

TOTAL_ANNOTATION_BYTES = 256 * 1024
MAX_GENERATED_BASE = 58
"""A generated name is at most a DNS label: 63 characters, five of them random."""
RANDOM_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Neither vowels nor what looks like one: no words, good or bad."""
STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_IMMUTABLE = "field is immutable"
_KEPT = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_REFERENCE_FIELDS = ("kind", "name", "uid")


def rfc3339(moment: datetime) -> str:
    """`metav1.Time`: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime) -> str:
    """`metav1.MicroTime`, as Leases and Events have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """A stored timestamp. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def generate_name(base: str, choice: Callable[[str], str]) -> str:
    """`web-` → `web-x7k2q`. `choice` picks one letter of a text, such as `secrets.choice`."""
    return base[:MAX_GENERATED_BASE] + "".join(choice(RANDOM_LETTERS) for _ in range(5))


def controller_of(meta: Meta) -> Mapping[str, Any] | None:
    """The owner reference that says `controller: true`."""
    return next((r for r in meta.get("ownerReferences") or () if r.get("controller")), None)


def validate_object_meta(
    meta: Meta, *, namespaced: bool, validate_name: NameRule | None, path: str = "metadata"
) -> list[FieldError]:
    """Complaints about metadata by itself. `validate_name` None means a DNS subdomain."""
    rule = validate_name or names.dns1123_subdomain
    return [
        *_name_errors(meta, rule, path),
        *_namespace_errors(meta, path, namespaced=namespaced),
        *validate_labels(meta.get("labels"), path=f"{path}.labels"),
        *validate_annotations(meta.get("annotations"), path=f"{path}.annotations"),
        *_owner_errors(meta.get("ownerReferences") or (), f"{path}.ownerReferences"),
        *_finalizer_errors(meta.get("finalizers") or (), f"{path}.finalizers"),
    ]


def _name_errors(meta: Meta, rule: NameRule, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    prefix, name = meta.get("generateName") or "", meta.get("name") or ""
    if prefix:
        complaints = rule(names.mask_trailing_dash(prefix))
        errors += [invalid_value(f"{path}.generateName", prefix, c) for c in complaints]
    if not name:
        errors.append(required(f"{path}.name", "name or generateName is required"))
    else:
        errors += [invalid_value(f"{path}.name", name, c) for c in rule(name)]
    if (meta.get("generation") or 0) < 0:
        told = "must be greater than or equal to 0"
        errors.append(invalid_value(f"{path}.generation", meta["generation"], told))
    return errors


def _namespace_errors(meta: Meta, path: str, *, namespaced: bool) -> list[FieldError]:
    namespace = meta.get("namespace") or ""
    if not namespaced:
        return [forbidden(f"{path}.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [required(f"{path}.namespace")]
    return [invalid_value(f"{path}.namespace", namespace, c) for c in names.dns1123_label(namespace)]


def validate_labels(labels: Mapping[str, str] | None, *, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for key, value in (labels or {}).items():
        errors += [invalid_value(path, key, c) for c in names.qualified_name(key)]
        errors += [invalid_value(path, value, c) for c in names.label_value(value)]
    return errors


def validate_annotations(annotations: Mapping[str, str] | None, *, path: str) -> list[FieldError]:
    """Keys are judged without regard to case; all together are bounded."""
    errors: list[FieldError] = []
    total = 0
    for key, value in (annotations or {}).items():
        errors += [invalid_value(path, key, c) for c in names.qualified_name(key.lower())]
        total += len(key.encode()) + len(value.encode())
    if total > TOTAL_ANNOTATION_BYTES:
        errors.append(too_long(path, TOTAL_ANNOTATION_BYTES))
    return errors


def _owner_errors(references: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    first = ""
    for reference in references:
        errors += _reference_errors(reference, path)
        if not reference.get("controller"):
            continue
        this = f"{reference.get('kind', '')}/{reference.get('name', '')}"
        if first:
            told = (
                f'Only one reference can have Controller set to true. Found "true" in references for {first} and {this}'
            )
            errors.append(invalid_value(path, list(references), told))
        first = first or this
    return errors


def _reference_errors(reference: Mapping[str, Any], path: str) -> list[FieldError]:
    errors = []
    api_version, kind = reference.get("apiVersion") or "", reference.get("kind") or ""
    if not api_version.rpartition("/")[2] or api_version.count("/") > 1:
        errors.append(invalid_value(f"{path}.apiVersion", api_version, "version must not be empty"))
    empty = (field for field in _REFERENCE_FIELDS if not reference.get(field))
    errors += [invalid_value(f"{path}.{field}", "", "must not be empty") for field in empty]
    if (api_version, kind) == ("v1", "Event"):
        told = "/v1, Kind=Event is disallowed from being an owner"
        errors.append(invalid_value(path, dict(reference), told))
    return errors


def _finalizer_errors(finalizers: Sequence[str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, finalizer in enumerate(finalizers):
        errors += [invalid_value(path, finalizer, c) for c in names.qualified_name(finalizer)]
        errors += standard_or_qualified(finalizer, path=f"{path}[{i}]")
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        told = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(invalid_value(path, list(finalizers), told))
    return errors


def standard_or_qualified(finalizer: str, *, path: str) -> list[FieldError]:
    """A finalizer is one of Kubernetes' own, or says by a domain whose it is."""
    if "/" in finalizer or finalizer in STANDARD_FINALIZERS:
        return []
    told = "name is neither a standard finalizer name nor is it fully qualified"
    return [invalid_value(path, finalizer, told)]


def validate_object_meta_update(new: Meta, old: Meta, *, path: str = "metadata") -> list[FieldError]:
    """Complaints about the change alone; `validate_object_meta` judges the new metadata."""
    errors = _new_finalizers(new, old, f"{path}.finalizers") if old.get("deletionTimestamp") else []
    generation = new.get("generation") or 0
    if generation < (old.get("generation") or 0):
        errors.append(invalid_value(f"{path}.generation", generation, "must not be decremented"))
    for field in _KEPT:
        if new.get(field) != old.get(field):
            errors.append(invalid_value(f"{path}.{field}", new.get(field), _IMMUTABLE))
    return errors


def _new_finalizers(new: Meta, old: Meta, path: str) -> list[FieldError]:
    added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
    if not added:
        return []
    shown = "[]string{" + ", ".join(f'"{f}"' for f in added) + "}"
    told = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
    return [forbidden(path, told)]
