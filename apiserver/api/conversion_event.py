"""Event between `v1`, which is stored, and `events.k8s.io/v1`: the same fields by other names."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_CORE, _EVENTS = "v1", "events.k8s.io/v1"
_EVENTS_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_CORE_NAMES = {theirs: ours for ours, theirs in _EVENTS_NAMES.items()}


def core_to_events(obj: Obj) -> Obj:
    """`events.k8s.io/v1`."""
    return {_EVENTS_NAMES.get(name, name): value for name, value in obj.items()} | {"apiVersion": _EVENTS}


def events_to_core(obj: Obj) -> Obj:
    """`v1`."""
    return {_CORE_NAMES.get(name, name): value for name, value in obj.items()} | {"apiVersion": _CORE}
