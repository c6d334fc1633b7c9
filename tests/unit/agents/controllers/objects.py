"""Objects as the API server gives them, as far as controllers look at them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

Obj = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """That many seconds after NOW; before it where negative."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def template(image: str = "a", **labels: str) -> Obj:
    return {"metadata": {"labels": {"app": "web", **labels}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def deployment(replicas: int, *, surge: Any = "25%", unavailable: Any = "25%", image: str = "a", **spec: Any) -> Obj:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": rolling,
            "template": template(image),
            **spec,
        },
    }


def replica_set(
    name: str,
    size: int,
    *,
    available: int | None = None,
    image: str = "old",
    age: int = 0,
    annotations: dict[str, str] | None = None,
    **status: Any,
) -> Obj:
    """`age`: its place in the order of creation, the oldest first."""
    count = size if available is None else available
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": f"2026-01-01T00:00:{age:02}Z",
            "annotations": annotations or {},
            "generation": 1,
        },
        "spec": {
            "replicas": size,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template(image, **{"pod-template-hash": name}),
        },
        "status": {
            "replicas": size,
            "readyReplicas": count,
            "availableReplicas": count,
            "observedGeneration": 1,
            **status,
        },
    }


def pod(
    name: str,
    *,
    node: str = "n",
    phase: str = "Running",
    ready: float | None = -100.0,
    created: float = -1000.0,
    **meta: Any,
) -> Obj:
    """`ready`: seconds since when, relative to NOW; None for not ready."""
    condition = {"type": "Ready", "status": "False" if ready is None else "True", "lastTransitionTime": at(ready or 0)}
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "creationTimestamp": at(created),
            "labels": {"app": "web"},
            **meta,
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": [condition]},
    }


def node(
    name: str, *, ready: str = "True", taints: tuple[Obj, ...] = (), labels: dict[str, str] | None = None, **spec: Any
) -> Obj:
    conditions = [{"type": "Ready", "status": ready, "lastHeartbeatTime": at(-10)}] if ready else []
    return {
        "metadata": {"name": name, "creationTimestamp": at(-1000), "labels": labels or {}},
        "spec": {**({"taints": list(taints)} if taints else {}), **spec},
        "status": {"conditions": conditions},
    }
