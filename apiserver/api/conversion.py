"""Objects between the version that is served and the one that is stored, where these differ.

HorizontalPodAutoscaler is stored as autoscaling/v2 and served as v1 too, Event is stored as v1 and served as
events.k8s.io/v1 too. Both directions are pure: what comes in is not changed, though the result may share parts of it.
Nothing is lost on the way there and back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiserver.api import conversion_autoscaler, conversion_event
from apiserver.api.resources import Resource

Obj = dict[str, Any]
Convert = Callable[[Obj], Obj]

_CONVERSIONS: dict[tuple[str, str, str], tuple[Convert, Convert]] = {
    ("autoscaling", "v1", "HorizontalPodAutoscaler"): (conversion_autoscaler.v1_to_v2, conversion_autoscaler.v2_to_v1),
    ("events.k8s.io", "v1", "Event"): (conversion_event.events_to_core, conversion_event.core_to_events),
}


def to_storage(resource: Resource, obj: Obj) -> Obj:
    """An object of the resource's version in the version that is stored."""
    found = _CONVERSIONS.get(resource.gvk)
    return found[0](obj) if found else obj


def from_storage(resource: Resource, obj: Obj) -> Obj:
    """A stored object in the resource's version."""
    found = _CONVERSIONS.get(resource.gvk)
    return found[1](obj) if found else obj
