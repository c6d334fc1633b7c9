"""The options of a request, checked as upstream checks them: ListOptions, CreateOptions, UpdateOptions, PatchOptions.

What cannot be read is a BadRequest (400); what can be read and is not allowed is Invalid (422), under the name of the
options' own kind in the group `meta.k8s.io`.
"""

from __future__ import annotations

from dataclasses import dataclass

from apiserver.api.fielderrors import FieldError, forbidden, invalid, invalid_value, not_supported, too_long
from apiserver.api.status import BadRequest, StatusError
from apiserver.rest.request import Query, parse_problem

GROUP = "meta.k8s.io"
VALIDATION = {"": "warn", "Ignore": "ignore", "Warn": "warn", "Strict": "strict"}
"""`fieldValidation` → what is done about unknown fields. Upstream warns where the client says nothing."""
NOT_OLDER_THAN = "NotOlderThan"
EXACT = "Exact"

_MAX_FIELD_MANAGER = 128
_MATCH = "resourceVersionMatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOptions:
    """What LIST, WATCH and DELETE of a collection are told."""

    label_selector: str = ""
    field_selector: str = ""
    resource_version: str = ""
    match: str = ""
    limit: int = 0
    token: str = ""
    timeout_seconds: int | None = None
    bookmarks: bool = False
    send_initial_events: bool | None = None


def list_options(query: Query, *, watch: bool) -> ListOptions:
    """Raises BadRequest, Invalid."""
    options = ListOptions(
        label_selector=query.text("labelSelector"),
        field_selector=query.text("fieldSelector"),
        resource_version=query.text("resourceVersion"),
        match=query.text(_MATCH),
        limit=max(query.integer("limit") or 0, 0),
        token=query.text("continue"),
        timeout_seconds=query.integer("timeoutSeconds"),
        bookmarks=bool(query.flag("allowWatchBookmarks")),
        send_initial_events=query.flag("sendInitialEvents"),
    )
    errors = _watch_errors(options) if watch else _list_errors(options)
    if errors:
        raise invalid("ListOptions", GROUP, "", errors)
    return options


def _list_errors(options: ListOptions) -> list[FieldError]:
    errors = []
    if options.match:
        if not options.resource_version:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided"))
        errors += _continued(options)
        if options.match not in (EXACT, NOT_OLDER_THAN):
            errors.append(_unsupported_match(options.match, '"Exact", "NotOlderThan", ""'))
        if options.match == EXACT and options.resource_version == "0":
            errors.append(forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial_events is not None:
        errors.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_errors(options: ListOptions) -> list[FieldError]:
    errors = []
    if options.send_initial_events is not None and options.match != NOT_OLDER_THAN:
        errors.append(forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to {NOT_OLDER_THAN}"))
    if options.match:
        if options.send_initial_events is None:
            errors.append(forbidden(_MATCH, f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"))
        if options.match != NOT_OLDER_THAN:
            errors.append(_unsupported_match(options.match, f'"{NOT_OLDER_THAN}"'))
        errors += _continued(options)
    return errors


def _continued(options: ListOptions) -> list[FieldError]:
    return [forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")] if options.token else []


def _unsupported_match(match: str, supported: str) -> FieldError:
    """Not `not_supported`: upstream does not sort these."""
    told = f'Unsupported value: "{match}": supported values: {supported}'
    return FieldError("FieldValueNotSupported", _MATCH, told)


def parse_rv(text: str) -> int:
    """A client's resourceVersion; 0 for none. Raises BadRequest."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**64:
        why = parse_problem(text)
        problem = invalid_value("resourceVersion", text, f'strconv.ParseUint: parsing "{text}": {why}')
        raise BadRequest(f"invalid resource version: {problem}")
    return int(text)


def check_write(query: Query, kind: str) -> None:
    """The options that writes share. `kind` is CreateOptions, UpdateOptions or PatchOptions. Raises Invalid."""
    errors = _dry_run_errors(query.all("dryRun"))
    manager = query.text("fieldManager")
    if manager:
        errors = _manager_errors(manager) + errors
    asked = query.text("fieldValidation")
    if asked not in VALIDATION:
        errors.append(not_supported("fieldValidation", asked, sorted(VALIDATION)))
    if kind == "PatchOptions" and "force" in query:
        errors.insert(0, forbidden("force", "may not be specified for non-apply patch"))
    if errors:
        raise invalid(kind, GROUP, "", errors)


def _manager_errors(manager: str) -> list[FieldError]:
    errors = []
    if len(manager.encode()) > _MAX_FIELD_MANAGER:
        errors.append(too_long("fieldManager", _MAX_FIELD_MANAGER))
    for i, character in enumerate(manager):
        if not character.isprintable():
            told = f"invalid character U+{ord(character):04X} (at position {i})"
            errors.append(invalid_value("fieldManager", manager, told))
    return errors


def _dry_run_errors(values: list[str]) -> list[FieldError]:
    return [not_supported("dryRun", values, ["All"])] if any(v != "All" for v in values) else []


def delete_errors(*, orphan: bool | None, policy: str | None, dry_run: list[str]) -> list[FieldError]:
    """What is wrong with DeleteOptions."""
    errors = []
    if orphan is not None and policy is not None:
        told = "orphanDependents and deletionPropagation cannot be both set"
        errors.append(invalid_value("propagationPolicy", policy, told))
    if policy is not None and policy not in ("Foreground", "Background", "Orphan"):
        errors.append(not_supported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"]))
    return errors + _dry_run_errors(dry_run)


def invalid_delete(errors: list[FieldError]) -> StatusError:
    return invalid("DeleteOptions", GROUP, "", errors)
