"""Small workloads to start a test from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from apiserver.api.fielderrors import FieldError
from apiserver.api.kinds.base import KindRules

CREATED = "2026-01-02T11:58:00Z"
NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": "nginx:1.27", **fields}


def pod(*, containers: list[dict[str, Any]] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "web-1",
            "namespace": "default",
            "uid": "u-1",
            "creationTimestamp": "2026-01-02T11:58:00Z",
        },
        "spec": {"containers": [container()] if containers is None else containers, **spec},
    }


def template(labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"} if labels is None else labels},
        "spec": {"containers": [container()], **spec},
    }


def workload(kind: str, group: str = "apps/v1", **spec: Any) -> dict[str, Any]:
    base = {"selector": {"matchLabels": {"app": "web"}}, "template": template()}
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "default", "uid": "u-2", "creationTimestamp": CREATED},
        "spec": {**base, **spec},
    }


def created(rules: KindRules, obj: dict[str, Any]) -> dict[str, Any]:
    """As the server would store it."""
    rules.default(obj)
    rules.prepare_create(obj)
    return obj


def complaints(rules: KindRules, obj: dict[str, Any]) -> list[str]:
    return told(rules.validate(created(rules, obj)))


def told(errors: list[FieldError]) -> list[str]:
    return [str(error) for error in errors]
