"""The parameters of requests: their names, types and meaning, and which action takes which."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Parameter = dict[str, Any]

WRITE = ("dryRun", "fieldManager", "fieldValidation")
DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
LIST = (
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
)
WATCH = ("allowWatchBookmarks", "sendInitialEvents", "watch")
LOG = (
    "container",
    "follow",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "tailLines",
    "timestamps",
)

_QUERY: dict[str, tuple[str, str]] = {
    "allowWatchBookmarks": (
        "boolean",
        "Send BOOKMARK events, which carry nothing but a resourceVersion to go on from. Ignored unless watching.",
    ),
    "container": ("string", "The container whose log is asked for; may be left out where the pod has only one."),
    "continue": (
        "string",
        (
            "The token of the last answer's metadata.continue: the next page of the same list. Answered 410 "
            "(ResourceExpired) when the list's resourceVersion is no longer kept."
        ),
    ),
    "dryRun": ("string", "With the value All, everything is done but storing the outcome."),
    "fieldManager": ("string", "Who makes this change: at most 128 printable characters."),
    "fieldSelector": ("string", "Only objects whose fields match. Everything by default."),
    "fieldValidation": (
        "string",
        (
            "What happens to fields that the schema does not have and to fields that occur twice: Ignore, Warn (the "
            "default: they are dropped, with a warning in the answer's header) or Strict (the request is refused)."
        ),
    ),
    "follow": ("boolean", "Go on sending what the container writes."),
    "gracePeriodSeconds": (
        "integer",
        "How long the object has to end; 0 ends it at once. The object's own grace period by default.",
    ),
    "labelSelector": ("string", "Only objects whose labels match. Everything by default."),
    "limit": ("integer", "At most so many objects; metadata.continue of the answer leads to the others."),
    "limitBytes": ("integer", "At most so many bytes of the log."),
    "orphanDependents": (
        "boolean",
        "Deprecated in favour of propagationPolicy: whether dependents are left behind. Not both may be set.",
    ),
    "pretty": ("string", "If 'true', the answer is indented for people to read."),
    "previous": ("boolean", "The log of the container before its last restart."),
    "propagationPolicy": (
        "string",
        "What becomes of dependents: Orphan leaves them, Background deletes them afterwards, Foreground before.",
    ),
    "resourceVersion": (
        "string",
        (
            "How recent the answer must be; for a watch, after which change it begins. See "
            "https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions"
        ),
    ),
    "resourceVersionMatch": ("string", "How resourceVersion applies to a list: Exact or NotOlderThan."),
    "sendInitialEvents": (
        "boolean",
        (
            "With watch=true: begin with an ADDED event for every object there is, and then a BOOKMARK with the "
            "annotation k8s.io/initial-events-end. Requires resourceVersionMatch=NotOlderThan."
        ),
    ),
    "sinceSeconds": ("integer", "Only lines of the last so many seconds. Not together with sinceTime."),
    "sinceTime": ("string", "Only lines written since this time (RFC 3339). Not together with sinceSeconds."),
    "tailLines": ("integer", "Only the last so many lines."),
    "timeoutSeconds": ("integer", "How long a list or a watch may take at most."),
    "timestamps": ("boolean", "Put the time in front of each line (RFC 3339)."),
    "watch": ("boolean", "Stream the changes of the objects instead of listing them."),
}


def query(names: Iterable[str]) -> list[Parameter]:
    """Parameters of the query string, by name."""
    return [_query(name) for name in sorted(names)]


def _query(name: str) -> Parameter:
    kind, description = _QUERY[name]
    return {"description": description, "in": "query", "name": name, "schema": {"type": kind}}


def of_path(*, kind: str = "", namespaced: bool) -> list[Parameter]:
    """What every operation of a path takes; `kind` is the object's where the path names one."""
    found = []
    if kind:
        found.append(_in_path("name", f"name of the {kind}"))
    if namespaced:
        found.append(_in_path("namespace", "object name and auth scope, such as for teams and projects"))
    return [*found, _query("pretty")]


def _in_path(name: str, description: str) -> Parameter:
    return {"description": description, "in": "path", "name": name, "required": True, "schema": {"type": "string"}}
