"""What pods ask for and nodes have, as whole numbers: cpu in thousandths, everything else in its unit.

A pod needs the larger of what its containers need together and what its init containers need one after another;
sidecars (init containers that restart) stay, so they count on both sides. Then come the pod's own figures, which
replace those of its containers, and the overhead of its runtime class.

Invariant: 0 <= amount <= LIMIT, so that the difference of two never leaves a signed 64-bit integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.api.quantity import Quantity

Obj = Mapping[str, Any]
Amounts = dict[str, int]

CPU = "cpu"
MEMORY = "memory"
PODS = "pods"
LIMIT = 2**61

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What a container without a request counts for when nodes are compared; it is never charged for them."""


def amount(name: str, quantity: Any) -> int:
    """Raises NotAQuantity."""
    parsed = Quantity.parse(quantity)
    return max(0, min(parsed.milli_value if name == CPU else parsed.value, LIMIT))


def amounts(quantities: Mapping[str, Any] | None) -> Amounts:
    return {name: amount(name, quantity) for name, quantity in (quantities or {}).items()}


def allocatable(node: Obj) -> Amounts:
    """What a node has for pods."""
    return amounts((node.get("status") or {}).get("allocatable"))


def pod_requests(spec: Obj, *, defaults: Amounts | None = None, floors: Mapping[str, Amounts] | None = None) -> Amounts:
    """What is charged for a pod. `defaults` stand in for requests that a container does not state; `floors` are the
    least that a container counts for, by its name. Raises NotAQuantity."""
    own = {k: v for k, v in amounts((spec.get("resources") or {}).get("requests")).items() if _for_pods(k)}
    missing = {k: v for k, v in (defaults or {}).items() if k not in own}
    total: Amounts = {}
    for container in spec.get("containers") or ():
        _add(total, _of_container(container, missing, floors or {}))
    _raise_to(total, _while_starting(spec, total, missing, floors or {}))
    total.update(own)
    _add(total, amounts(spec.get("overhead")))
    return {name: min(value, LIMIT) for name, value in total.items()}


def _while_starting(spec: Obj, total: Amounts, missing: Amounts, floors: Mapping[str, Amounts]) -> Amounts:
    """The most that is needed at one moment of the start. Sidecars are added to `total`, too: they stay."""
    peak: Amounts = {}
    sidecars: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _of_container(container, missing, floors)
        moment = dict(sidecars)
        _add(moment, own)
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            sidecars = moment
        _raise_to(peak, moment)
    return peak


def _of_container(container: Obj, missing: Amounts, floors: Mapping[str, Amounts]) -> Amounts:
    stated = amounts((container.get("resources") or {}).get("requests"))
    for name, value in missing.items():
        stated.setdefault(name, value)
    _raise_to(stated, floors.get(container.get("name", ""), {}))
    return stated


def scored_requests(spec: Obj) -> tuple[int, int]:
    """Cpu and memory as they count when nodes are compared. Raises NotAQuantity."""
    total = pod_requests(spec, defaults={CPU: DEFAULT_MILLI_CPU, MEMORY: DEFAULT_MEMORY})
    return total.get(CPU, 0), total.get(MEMORY, 0)


def allocated(status: Obj) -> dict[str, Amounts]:
    """What the kubelet holds for each running container: while a resize is under way, more than the spec says."""
    found: dict[str, Amounts] = {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for one in status.get(field) or ():
            held = amounts(one.get("allocatedResources"))
            _raise_to(held, amounts((one.get("resources") or {}).get("requests")))
            if held:
                found[one.get("name", "")] = held
    return found


def _for_pods(name: str) -> bool:
    return name in (CPU, MEMORY) or name.startswith("hugepages-")


def _add(total: Amounts, part: Amounts) -> None:
    for name, value in part.items():
        total[name] = total.get(name, 0) + value


def _raise_to(total: Amounts, floor: Amounts) -> None:
    for name, value in floor.items():
        total[name] = max(total.get(name, 0), value)
