"""A pod's `priority` is what its PriorityClass says, never what its author says.

Upstream: plugin/pkg/admission/priority.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.admission.base import Attributes, Lookup, Operation, refuse
from apiserver.rest.endpoint import PODS, Endpoint
from apiserver.store.base import StoredResource

_CLASSES = StoredResource("scheduling.k8s.io", "priorityclasses")


class Priority:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == PODS and not subresource and operation == "CREATE"

    async def admit(self, attributes: Attributes) -> None:
        if attributes.obj is None:
            return
        spec = attributes.obj["spec"]
        chosen = await self._class_of(attributes, spec.get("priorityClassName", ""))
        priority = chosen["value"] if chosen else 0
        asked = spec.get("priority")
        if asked not in (None, 0, priority):
            raise refuse(
                attributes,
                "the integer value of priority must not be provided in pod spec; priority admission controller "
                f"computed {priority} from the given PriorityClass name",
            )
        spec["priority"] = priority
        if chosen:
            spec["priorityClassName"] = chosen["metadata"]["name"]
        policy = (chosen or {}).get("preemptionPolicy", "PreemptLowerPriority")
        if spec.get("preemptionPolicy", policy) != policy and "priorityClassName" in spec:
            raise refuse(
                attributes,
                "the string value of PreemptionPolicy must not be provided in pod spec; priority admission "
                f"controller computed {policy} from the given PriorityClass name",
            )
        spec.setdefault("preemptionPolicy", policy)

    async def _class_of(self, attributes: Attributes, name: str) -> Mapping[str, Any] | None:
        if name:
            found = await self._lookup.lookup(_CLASSES, "", name)
            if found is None:
                raise refuse(attributes, f"no PriorityClass with name {name} was found")
            return found
        by_default = [c for c in self._lookup.each(_CLASSES) if c.get("globalDefault")]
        return min(by_default, key=lambda c: int(c["value"]), default=None)
