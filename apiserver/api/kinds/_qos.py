"""The quality of service class of a pod, from what its containers ask for: Guaranteed, Burstable or BestEffort."""

from __future__ import annotations

from typing import Any

from apiserver.api.kinds._amounts import amount

Spec = dict[str, Any]

_COMPUTE = ("cpu", "memory")


def _positive(resources: dict[str, Any] | None) -> dict[str, Any]:
    return {
        name: value for name in _COMPUTE if (value := (resources or {}).get(name)) is not None and amount(value) > 0
    }


def _parts(spec: Spec) -> list[Spec]:
    """Whose resources count: the pod's own where it states any, else those of every container."""
    own = spec.get("resources") or {}
    if own.get("requests") or own.get("limits"):
        return [own]
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return [container.get("resources") or {} for container in containers]


def qos_class(spec: Spec) -> str:
    """Guaranteed: every part limits cpu and memory, and asks for exactly its limits."""
    asked: dict[str, Any] = {}
    limited: dict[str, Any] = {}
    guaranteed = True
    for resources in _parts(spec):
        requests, limits = _positive(resources.get("requests")), _positive(resources.get("limits"))
        guaranteed = guaranteed and len(limits) == len(_COMPUTE)
        for total, part in ((asked, requests), (limited, limits)):
            for name, value in part.items():
                total[name] = total.get(name, 0) + amount(value)
    if not asked and not limited:
        return "BestEffort"
    if guaranteed and asked == limited:
        return "Guaranteed"
    return "Burstable"
