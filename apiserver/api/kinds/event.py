"""Event: what somebody wants known about an object. Served as v1 and as events.k8s.io/v1, kept as v1.

The two versions name their fields differently; all rules here look at the names of v1 (`_as_core`). v1 accepts
whatever old reporters send; new Events of events.k8s.io/v1 are held to more, and change in their series alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, invalid_value, required
from apiserver.api.kinds._ages import age
from apiserver.api.kinds._checks import Errors, check_immutable, check_name, dns_subdomain, qualified_name
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Event = dict[str, Any]

_NEW_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedCount": "count",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
}
"""events.k8s.io/v1 → v1. The names of all other fields are the same."""
_OBJECT_FIELDS = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_MATCH = "does not match event.namespace"
_MAX_WORD = 128
_MAX_MESSAGE = 1024
_UNSET = "needs to be unset"
_FIXED = (
    "involvedObject", "reason", "message", "source", "firstTimestamp", "lastTimestamp", "count", "type", "eventTime",
    "action", "related", "reportingComponent", "reportingInstance",
)  # fmt: skip


def _as_core(event: Event) -> Event:
    """The same Event with the names of v1, whichever version it came as."""
    return {_NEW_NAMES.get(name, name): value for name, value in event.items()}


def _path(name: str) -> str:
    """Upstream validates its internal type, whose reporter has yet another name."""
    return "reportingController" if name == "reportingComponent" else name


def _check_bounded(core: Event, name: str, errors: Errors) -> None:
    value = core.get(name) or ""
    if not value:
        errors.append(required(_path(name)))
    if len(value.encode()) > _MAX_WORD:
        errors.append(invalid_value(_path(name), "", f"can have at most {_MAX_WORD} characters"))


def _check_reporter(core: Event, errors: Errors) -> None:
    """What an Event with an eventTime says of who saw what happen."""
    reporter = core.get("reportingComponent") or ""
    if not reporter:
        errors.append(required("reportingController"))
    check_name(reporter, "reportingController", errors, rule=qualified_name)
    for name in ("reportingInstance", "action", "reason"):
        _check_bounded(core, name, errors)
    if len((core.get("message") or "").encode()) > _MAX_MESSAGE:
        errors.append(invalid_value("message", "", f"can have at most {_MAX_MESSAGE} characters"))


def validate(obj: Event) -> list[FieldError]:
    """What is asked of every Event: it lives where the object lives; objects without a namespace have `default`."""
    errors: Errors = []
    core = _as_core(obj)
    namespace = core["metadata"].get("namespace") or ""
    about = (core.get("involvedObject") or {}).get("namespace") or ""
    if core.get("eventTime"):
        if not about and namespace not in ("default", "kube-system"):
            errors.append(invalid_value("involvedObject.namespace", about, _MATCH))
        _check_reporter(core, errors)
    elif namespace != about and (about or namespace not in ("", "default")):
        errors.append(invalid_value("involvedObject.namespace", about, _MATCH))
    check_name(namespace, "namespace", errors, rule=dns_subdomain)
    return errors


def _check_series(core: Event, errors: Errors) -> None:
    series = core.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        errors.append(invalid_value("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        errors.append(required("series.lastObservedTime"))


def validate_create_strict(obj: Event) -> list[FieldError]:
    """What events.k8s.io/v1 asks of new Events: everything that v1 left open, and nothing that it deprecated."""
    errors: Errors = []
    core = _as_core(obj)
    _check_series(core, errors)
    if not core.get("eventTime"):
        errors.append(required("eventTime"))
    kind = core.get("type") or ""
    if kind not in ("Normal", "Warning"):
        errors.append(invalid_value("type", "", f"has invalid value: {kind}"))
    for name in ("firstTimestamp", "lastTimestamp", "count"):
        if core.get(name):
            errors.append(invalid_value(name, "", _UNSET))
    if any((core.get("source") or {}).get(part) for part in ("component", "host")):
        errors.append(invalid_value("source", "", _UNSET))
    return errors


def validate_update_strict(obj: Event, old: Event) -> list[FieldError]:
    errors: Errors = []
    core, before = _as_core(obj), _as_core(old)
    if core.get("series") != before.get("series"):
        _check_series(core, errors)
    for name in _FIXED:
        check_immutable(core.get(name) or None, before.get(name) or None, _path(name), errors)
    return errors


def selectable_fields(obj: Event) -> Mapping[str, str]:
    """Under the names of both versions: one cache serves both."""
    core = _as_core(obj)
    about, reporter = core.get("involvedObject") or {}, core.get("reportingComponent") or ""
    fields = {
        "reason": core.get("reason") or "",
        "type": core.get("type") or "",
        "source": (core.get("source") or {}).get("component") or reporter,
        "reportingComponent": reporter,
        "reportingController": reporter,
    }
    for part in _OBJECT_FIELDS:
        fields[f"involvedObject.{part}"] = fields[f"regarding.{part}"] = about.get(part) or ""
    return fields


def _source(core: Event) -> str:
    source = core.get("source") or {}
    component = source.get("component") or core.get("reportingComponent") or ""
    instance = source.get("host") or core.get("reportingInstance") or ""
    return f"{component}, {instance}" if instance else component


def _seen(core: Event, now: datetime) -> tuple[str, str, int]:
    """(first seen, last seen, how often)."""
    first = age(core.get("firstTimestamp") or core.get("eventTime"), now)
    series = core.get("series")
    if series is not None:
        return first, age(series.get("lastObservedTime"), now), series.get("count") or 0
    last = core.get("lastTimestamp")
    return first, age(last, now) if last else first, core.get("count") or 1


def row(obj: Event, now: datetime) -> Sequence[Cell]:
    core = _as_core(obj)
    about = core.get("involvedObject") or {}
    kind, name = (about.get("kind") or "").lower(), about.get("name") or ""
    first, last, count = _seen(core, now)
    return (
        last,
        core.get("type") or "",
        core.get("reason") or "",
        f"{kind}/{name}" if name else kind,
        about.get("fieldPath") or "",
        _source(core),
        (core.get("message") or "").strip(),
        first,
        count,
        core["metadata"]["name"],
    )


COLUMNS = (
    Column("Last Seen", description="When it was last seen."),
    Column("Type", description="Normal, or Warning."),
    Column("Reason", description="Why it was reported, in one word."),
    Column("Object", description="What it is about."),
    Column("Subobject", description="Which part of the object it is about.", priority=1),
    Column("Source", description="Who reported it.", priority=1),
    Column("Message", description="What happened."),
    Column("First Seen", description="When it was first seen.", priority=1),
    Column("Count", description="How often it was seen.", priority=1),
    Column("Name", description="The name of the Event itself.", priority=1),
)

RULES = register(
    KindRules(
        group="",
        kind="Event",
        validate=validate,
        validate_name=names.path_segment,
        selectable_fields=selectable_fields,
        field_names=frozenset(
            ("reason", "type", "source", "reportingComponent", *(f"involvedObject.{part}" for part in _OBJECT_FIELDS))
        ),
        columns=COLUMNS,
        row=row,
        counts_generation=False,
        create_on_update=True,
    )
)
NEW_RULES = register(
    KindRules(
        group="events.k8s.io",
        kind="Event",
        validate=validate,
        validate_create=validate_create_strict,
        validate_update=validate_update_strict,
        selectable_fields=selectable_fields,
        field_names=frozenset(
            ("reason", "type", "reportingController", *(f"regarding.{part}" for part in _OBJECT_FIELDS))
        ),
        columns=COLUMNS,
        row=row,
        counts_generation=False,
        create_on_update=True,
    )
)
